"""Lattices of the WFST search, and the best paths with distinct words in them.

A lattice of kaldi-decoder is raw: one word sequence is in it many times, as its frames may be
shared out among its units in many ways. The n best word sequences are found on a determinized
acceptor of words; the best path of each is then looked up in the lattice.
"""

from dataclasses import dataclass
from typing import Self

import kaldifst
import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.decode.graph.fst_arrays import EPSILON, FstArrays


@dataclass(frozen=True)
class Path:
    """A path through the graph.

    Attributes:
        labels: Input label of each frame searched.
        words: Word ids.
        acoustic: What the frames add to the score, scaled.
        graph: What the graph adds to the score.
    """

    labels: tuple[int, ...]
    words: tuple[int, ...]
    acoustic: float
    graph: float


@dataclass(frozen=True)
class Lattice:
    """A raw lattice; costs are as in the search, lower is better.

    Attributes:
        fst: Frame labels in, word ids out, total costs.
        acoustic: Acoustic part of each arc's cost, (arcs,) float64.
        graph: Graph's part, (arcs,) float64.
        final_graph: Graph's cost of ending in each state, (states,); infinite if it cannot.
    """

    fst: FstArrays
    acoustic: NDArray[np.float64]
    graph: NDArray[np.float64]
    final_graph: NDArray[np.float64]

    @classmethod
    def from_kaldi(cls, raw: kaldifst.Lattice) -> Self:
        """Copy a lattice of kaldi-decoder."""
        rows: list[tuple[int, int, int, int]] = []
        costs: list[tuple[float, float]] = []
        final = np.full(raw.num_states, np.inf)
        for line in raw.to_str().splitlines():
            fields = line.split()
            if len(fields) >= 4:
                rows.append((int(fields[0]), int(fields[1]), int(fields[2]), int(fields[3])))
                costs.append(_cost(fields[4:]))
            else:
                final[int(fields[0])] = sum(_cost(fields[1:]))
        source, target, ilabel, olabel = np.array(rows, dtype=np.int64).reshape(-1, 4).T
        both = np.array(costs, dtype=np.float64).reshape(-1, 2)
        # Arcs in the order of `from_arcs`, so that numbers of arcs mean the same here and there.
        order = np.lexsort((ilabel, source))
        source, target, ilabel, olabel = (x[order] for x in (source, target, ilabel, olabel))
        graph, acoustic = both[order].T
        fst = FstArrays.from_arcs(
            source, ilabel, olabel, graph + acoustic, target, final, raw.start
        )
        return cls(fst, acoustic, graph, final)

    def best_paths(self, count: int) -> list[Path]:
        """Find the best paths with distinct words.

        Args:
            count: How many, at most.

        Returns:
            Best first; fewer where the lattice has no more.
        """
        words = self._word_acceptor()
        sequences = [
            kaldifst.get_linear_symbol_sequence(fst)[1]
            for fst in kaldifst.convert_nbest_to_vector(kaldifst.shortest_path(words, n=count))
        ]
        arcs = self._numbered_arcs()
        paths = [self._best_path_of(arcs, sequence) for sequence in sequences]
        return sorted(paths, key=lambda path: -(path.acoustic + path.graph))

    def to_kaldi_text(self) -> str:
        """Write the lattice as in a Kaldi text archive (`lattice-copy ark,t:`), without its key.

        Returns:
            Lines `from to word graph_cost,acoustic_cost,` and `state graph_cost,0,`, word ids
            as in the graph's words.txt.
        """
        lines = []
        source = self.fst.source
        arcs = self.fst.arcs
        # Kaldi takes the first state named for the start.
        order = np.argsort(source != self.fst.start, kind="stable")
        for arc in order.tolist():
            lines.append(
                f"{source[arc]} {arcs['target'][arc]} {arcs['olabel'][arc]} "
                f"{self.graph[arc]:.6g},{self.acoustic[arc]:.6g},"
            )
        ends = np.flatnonzero(np.isfinite(self.final_graph)).tolist()
        lines += [f"{state} {self.final_graph[state]:.6g},0," for state in ends]
        return "\n".join(lines) + "\n"

    def _word_acceptor(self) -> kaldifst.StdVectorFst:
        arcs = self.fst.arcs.copy()
        arcs["ilabel"] = arcs["olabel"]
        arcs["olabel"] = EPSILON
        fst = FstArrays(self.fst.start, self.fst.final, self.fst.num_arcs, arcs).to_fst()
        kaldifst.determinize_star(fst)
        return fst

    def _numbered_arcs(self) -> kaldifst.StdVectorFst:
        """The lattice with the number of each arc, plus 1, as its input label."""
        arcs = self.fst.arcs.copy()
        arcs["ilabel"] = np.arange(1, len(arcs) + 1)
        fst = FstArrays(self.fst.start, self.fst.final, self.fst.num_arcs, arcs).to_fst()
        kaldifst.arcsort(fst, "olabel")
        return fst

    def _best_path_of(self, arcs: kaldifst.StdVectorFst, words: list[int]) -> Path:
        acceptor = kaldifst.make_linear_acceptor(words)
        best = kaldifst.shortest_path(kaldifst.compose(arcs, acceptor))
        numbers = np.array(kaldifst.get_linear_symbol_sequence(best)[1], dtype=np.int64) - 1
        chosen = self.fst.arcs[numbers]
        labels = chosen["ilabel"][chosen["ilabel"] != EPSILON]
        end = chosen["target"][-1] if len(numbers) else self.fst.start
        return Path(
            labels=tuple(labels.tolist()),
            words=tuple(words),
            acoustic=-float(self.acoustic[numbers].sum()),
            graph=-float(self.graph[numbers].sum() + self.final_graph[end]),
        )


def _cost(fields: list[str]) -> tuple[float, float]:
    if not fields:
        return 0.0, 0.0
    graph, acoustic = fields[0].split(",")
    return float(graph), float(acoustic)
