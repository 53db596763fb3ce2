"""Lattices of the WFST search, and their best paths with distinct words.

A lattice of kaldi-decoder is raw: it contains a word sequence many times, once for each alignment
of frames to units. Determinizing it by words can take exponential time. Instead, each state keeps,
in topological order, the n best partial paths with distinct words. This is exact: if n partial
paths with other words are better than the prefix of a path, then n complete paths with other words
are better than that path.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import kaldifst
import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.decode.graph.fst_arrays import EPSILON


@dataclass(frozen=True)
class Path:
    """A path through the graph.

    Attributes:
        labels: Input label of each frame searched.
        words: Word ids.
        acoustic: Acoustic part of the score, scaled.
        graph: Graph part of the score.
    """

    labels: tuple[int, ...]
    words: tuple[int, ...]
    acoustic: float
    graph: float


class Arc(NamedTuple):
    """An arc of a lattice.

    Attributes:
        source: State it leaves.
        target: State it enters.
        label: Frame label; 0 for none.
        word: Word id; 0 for none.
        graph: Graph part of its cost.
        acoustic: Acoustic part of its cost.
    """

    source: int
    target: int
    label: int
    word: int
    graph: float
    acoustic: float


class _Partial(NamedTuple):
    """The best partial path to a state with a given word sequence.

    Attributes:
        cost: Cost of the partial path.
        words: Number of the word sequence.
        before: The partial path without its last arc; None at the start.
        arc: The last arc; None at the start.
    """

    cost: float
    words: int
    before: "_Partial | None"
    arc: Arc | None


@dataclass(frozen=True)
class Lattice:
    """A raw acyclic lattice; costs are those of the search, lower is better.

    Attributes:
        start: Start state.
        arcs: All arcs.
        final: Cost of ending in each state, (states,); infinite for a state that is not final.
    """

    start: int
    arcs: tuple[Arc, ...]
    final: NDArray[np.float64]

    @classmethod
    def from_kaldi(cls, raw: kaldifst.Lattice) -> Self:
        """Copy a kaldi-decoder lattice."""
        arcs: list[Arc] = []
        final = np.full(raw.num_states, np.inf)
        for line in raw.to_str().splitlines():
            fields = line.split()
            if len(fields) >= 4:
                source, target, label, word = map(int, fields[:4])
                arcs.append(Arc(source, target, label, word, *_costs(fields[4:])))
            else:
                final[int(fields[0])] = sum(_costs(fields[1:]))
        return cls(raw.start, tuple(arcs), final)

    def best_paths(self, count: int) -> list[Path]:
        """Find the best paths with distinct words.

        Args:
            count: Maximum number of paths.

        Returns:
            The paths, best first; fewer than `count` if the lattice has fewer.
        """
        ended = self._best_partials(count)
        return [self._path(partial) for partial in ended]

    def to_kaldi_text(self) -> str:
        """Write the lattice as in a Kaldi text archive (`lattice-copy ark,t:`), without its key.

        Returns:
            Lines `from to word graph_cost,acoustic_cost,` and `state graph_cost,0,`, word ids
            as in the graph's words.txt.
        """
        # Kaldi takes the first state in the file as the start.
        arcs = sorted(self.arcs, key=lambda arc: arc.source != self.start)
        lines = [
            f"{arc.source} {arc.target} {arc.word} {arc.graph:.6g},{arc.acoustic:.6g},"
            for arc in arcs
        ]
        ends = np.flatnonzero(np.isfinite(self.final)).tolist()
        lines += [f"{state} {self.final[state]:.6g},0," for state in ends]
        return "\n".join(lines) + "\n"

    def _best_partials(self, count: int) -> list[_Partial]:
        entering: dict[int, list[Arc]] = {}
        for arc in self.arcs:
            entering.setdefault(arc.target, []).append(arc)
        numbers: dict[tuple[int, int], int] = {}
        reached: dict[int, list[_Partial]] = {self.start: [_Partial(0.0, 0, None, None)]}
        ended: list[_Partial] = []
        for state in self._topological_order():
            arcs = entering.get(state, [])
            if state != self.start:
                partials = [
                    _Partial(
                        partial.cost + arc.graph + arc.acoustic,
                        numbers.setdefault((partial.words, arc.word), len(numbers) + 1)
                        if arc.word
                        else partial.words,
                        partial,
                        arc,
                    )
                    for arc in arcs
                    for partial in reached[arc.source]
                ]
                # Paths over a single arc are already sorted and distinct.
                reached[state] = partials if len(arcs) == 1 else _best(partials, count)
            if self.final[state] < np.inf:
                cost = float(self.final[state])
                ended += [partial._replace(cost=partial.cost + cost) for partial in reached[state]]
        return _best(ended, count)

    def _topological_order(self) -> Iterator[int]:
        leaving: dict[int, list[int]] = {}
        open_arcs = [0] * len(self.final)
        for arc in self.arcs:
            leaving.setdefault(arc.source, []).append(arc.target)
            open_arcs[arc.target] += 1
        ready = [state for state, number in enumerate(open_arcs) if not number]
        while ready:
            state = ready.pop()
            yield state
            for target in leaving.get(state, ()):
                open_arcs[target] -= 1
                if not open_arcs[target]:
                    ready.append(target)

    def _path(self, end: _Partial) -> Path:
        arcs: list[Arc] = []
        partial: _Partial | None = end
        while partial is not None:
            if partial.arc is not None:
                arcs.append(partial.arc)
            partial = partial.before
        arcs.reverse()
        acoustic = sum(arc.acoustic for arc in arcs)
        return Path(
            labels=tuple(arc.label for arc in arcs if arc.label != EPSILON),
            words=tuple(arc.word for arc in arcs if arc.word != EPSILON),
            acoustic=-acoustic,
            graph=-(end.cost - acoustic),
        )


def _best(partials: list[_Partial], count: int) -> list[_Partial]:
    """Return the best partial path of each word sequence, the best sequences first."""
    partials.sort(key=lambda partial: (partial.cost, partial.words))
    found: dict[int, _Partial] = {}
    for partial in partials:
        if partial.words not in found:
            found[partial.words] = partial
            if len(found) == count:
                break
    return list(found.values())


def _costs(fields: list[str]) -> tuple[float, float]:
    if not fields:
        return 0.0, 0.0
    graph, acoustic = fields[0].split(",")
    return float(graph), float(acoustic)
