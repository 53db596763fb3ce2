"""Beam search through a decoding graph, by kaldi-decoder.

Kaldi's lattice decoder is faster and prunes by beam alone. FasterDecoder also limits the number of
paths, but gives only the best one. Utterances are searched one at a time, so results do not depend
on batches. kaldi-decoder holds Python's global lock, so several processes share the work; forked
after the graph is loaded, they share its memory.

The score of a hypothesis is `acoustic_scale * A + lm_weight * G + insertion_bonus * N`: A is the
log-probability of its best frame path, G the log-probability of its words in the graph, and N its
number of units.
"""

import math
from dataclasses import dataclass

import kaldi_decoder
import kaldifst
import numpy as np
import torch
from numpy.typing import NDArray

from speechmoe_espnet.decode.graph.directory import Graph
from speechmoe_espnet.decode.graph.fst_arrays import EPSILON, FstArrays
from speechmoe_espnet.decode.graph.topology import unit_label
from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.decode.search.greedy import check_posteriors
from speechmoe_espnet.decode.search.lattice import Lattice, Path
from speechmoe_espnet.decode.word_times import align_words, units_of_path

MIN_ACTIVE = 20
WIDENINGS = (1.0, 2.0, 4.0)


@dataclass(frozen=True)
class WfstOptions:
    """Options of the search.

    Attributes:
        beam: Paths worse than the best by more than this are dropped, in costs.
        max_active: Maximum number of paths kept per frame; None: no limit. It limits the memory
            and time of hard utterances, and works for a single best path only.
        acoustic_scale: Factor of acoustic log-probabilities.
        lm_weight: Factor of the graph's costs.
        insertion_bonus: Added for each unit.
        nbest: Hypotheses per utterance.
        lattice_beam: Lattice paths worse than the best by more than this are dropped.
        blank_threshold: Frames with at least this blank probability count as blank; of a run of
            such frames only the first is searched. None searches every frame.
        write_lattices: Whether lattices are returned.
    """

    beam: float = 10.0
    max_active: int | None = None
    acoustic_scale: float = 1.0
    lm_weight: float = 1.0
    insertion_bonus: float = 0.0
    nbest: int = 1
    lattice_beam: float = 8.0
    blank_threshold: float | None = None
    write_lattices: bool = False

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ValueError: Several hypotheses or lattices are asked for with max_active.
        """
        if self.needs_lattice and self.max_active is not None:
            raise ValueError(
                f"max_active: {self.max_active}: kaldi-decoder bounds the number of paths for a "
                f"single best one only; remove it, or ask for neither n-best lists nor lattices"
            )

    @property
    def needs_lattice(self) -> bool:
        """Whether the search must keep more than the best path."""
        return self.nbest > 1 or self.write_lattices


class WfstSearch:
    """A search through a decoding graph.

    Args:
        graph: The graph; the options set its weights once, at construction.
        options: Options of the search.
        blank_id: Id of the blank.
    """

    def __init__(self, graph: Graph, options: WfstOptions, blank_id: int = 0) -> None:
        self.options = options
        self.blank_id = blank_id
        self._words = graph.words.words
        self._lexicon = graph.lexicon.entries
        self._units = graph.tokens.tokens
        self._fst = weighted(
            graph.fst, options.lm_weight, options.insertion_bonus, unit_label(blank_id)
        ).to_const_fst()

    def __call__(self, log_probs: torch.Tensor, lengths: torch.Tensor) -> list[list[Hypothesis]]:
        """Search a batch.

        Args:
            log_probs: Log-probabilities of units, (B, T, V); padding is ignored.
            lengths: Number of valid frames, (B,), each at most T.

        Returns:
            For each utterance up to `nbest` hypotheses with distinct words, best first. If no path
            in the beam reaches a final state of the graph, the beam is widened. If that does not
            help, the result is one empty hypothesis with the acoustic score of silence.

        Raises:
            ValueError: If shapes or lengths do not fit together.
        """
        return [hypotheses for hypotheses, _ in self.search(log_probs, lengths)]

    def search(
        self, log_probs: torch.Tensor, lengths: torch.Tensor
    ) -> list[tuple[list[Hypothesis], Lattice | None]]:
        """Search a batch as `__call__` does; also return the lattice of each utterance, if kept."""
        lengths = check_posteriors(log_probs, lengths, self.blank_id)
        if log_probs.size(2) != len(self._units):
            raise ValueError(
                f"log_probs have {log_probs.size(2)} units, the graph's model {len(self._units)}"
            )
        frames = log_probs.float().cpu().numpy()
        return [self._search(frames[row, :length]) for row, length in enumerate(lengths.tolist())]

    def _search(self, log_probs: NDArray[np.float32]) -> tuple[list[Hypothesis], Lattice | None]:
        if not len(log_probs):
            return [Hypothesis((), 0.0, 0.0, 0.0, (), ())], None
        frames, numbers = self._frames(log_probs)
        for widening in WIDENINGS:
            beam = self.options.beam * widening
            if self.options.needs_lattice:
                lattice = self._lattice(frames, beam)
                paths = [] if lattice is None else lattice.best_paths(self.options.nbest)
            else:
                lattice, paths = None, self._best_path(frames, beam)
            if paths:
                found = [self._hypothesis(path, numbers, len(log_probs)) for path in paths]
                return found, lattice if self.options.write_lattices else None
        silence = float(frames[:, self.blank_id].sum())
        return [Hypothesis((), silence, silence, 0.0, (), ())], None

    def _frames(
        self, log_probs: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scaled log-probabilities of the frames to search, and their numbers."""
        numbers = np.arange(len(log_probs))
        threshold = self.options.blank_threshold
        if threshold is not None:
            certain = log_probs[:, self.blank_id] >= math.log(threshold)
            numbers = numbers[~(certain & np.concatenate([[False], certain[:-1]]))]
        scaled = log_probs[numbers] * np.float32(self.options.acoustic_scale)
        return np.ascontiguousarray(scaled), numbers

    def _best_path(self, frames: NDArray[np.float32], beam: float) -> list[Path]:
        decodable = kaldi_decoder.DecodableCtc(frames)
        if self.options.max_active is None:
            decoder = self._lattice_decoder(decodable, beam)
            if decoder is None:
                return []
        else:
            options = kaldi_decoder.FasterDecoderOptions(
                beam=beam,
                max_active=self.options.max_active,
                min_active=min(MIN_ACTIVE, self.options.max_active),
            )
            decoder = kaldi_decoder.FasterDecoder(self._fst, options)
            decoder.decode(decodable)
            if not decoder.reached_final():
                return []
        _, best = decoder.get_best_path(use_final_probs=True)
        _, labels, words, weight = kaldifst.get_linear_symbol_sequence(best)
        return [Path(tuple(labels), tuple(words), -weight.value2, -weight.value1)]

    def _lattice(self, frames: NDArray[np.float32], beam: float) -> Lattice | None:
        decoder = self._lattice_decoder(kaldi_decoder.DecodableCtc(frames), beam)
        if decoder is None:
            return None
        return Lattice.from_kaldi(decoder.get_raw_lattice(use_final_probs=True)[1])

    def _lattice_decoder(
        self, decodable: kaldi_decoder.DecodableCtc, beam: float
    ) -> kaldi_decoder.LatticeSimpleDecoder | None:
        """Decode an utterance; None if no path in the beam reaches a final state."""
        config = kaldi_decoder.LatticeSimpleDecoderConfig(
            beam=beam, lattice_beam=self.options.lattice_beam
        )
        decoder = kaldi_decoder.LatticeSimpleDecoder(self._fst, config)
        if not decoder.decode(decodable) or decoder.final_relative_cost() == math.inf:
            return None
        return decoder

    def _hypothesis(
        self, path: Path, frame_numbers: NDArray[np.int64], num_frames: int
    ) -> Hypothesis:
        unit_ids = [label - 1 for label in path.labels]
        units, spans = units_of_path(unit_ids, frame_numbers.tolist(), num_frames, self.blank_id)
        words = align_words(
            [self._words[word] for word in path.words],
            [self._units[unit] for unit in units],
            spans,
            self._lexicon,
        )
        score = path.acoustic + path.graph
        return Hypothesis(units, score, path.acoustic, path.graph, words, spans)


def weighted(
    fst: FstArrays, lm_weight: float, insertion_bonus: float, blank_label: int
) -> FstArrays:
    """Set the weights of a graph.

    Args:
        fst: HLG as built, with the costs of the language model.
        lm_weight: Factor of its costs.
        insertion_bonus: Subtracted from the cost of each arc that starts a unit.
        blank_label: Input label of the blank.

    Returns:
        The graph with new costs; the same object if nothing changes.
    """
    if lm_weight == 1.0 and insertion_bonus == 0.0:
        return fst
    arcs = fst.arcs.copy()
    arcs["weight"] *= np.float32(lm_weight)
    if insertion_bonus:
        label = arcs["ilabel"]
        # A unit continues only by the loop at its state.
        begins = (label != EPSILON) & (label != blank_label) & (arcs["target"] != fst.source)
        arcs["weight"][begins] -= np.float32(insertion_bonus)
    return FstArrays(fst.start, fst.final * np.float32(lm_weight), fst.num_arcs, arcs)
