"""Beam search through a decoding graph, by kaldi-decoder.

Kaldi's lattice decoder prunes by beam alone and is the faster one; FasterDecoder also bounds the
number of paths, and gives the best one only. Utterances are searched one at a time, so results
cannot depend on how they are batched; kaldi-decoder holds Python's lock, so processes share the
work and, forked after the graph is loaded, its memory.

The score of a hypothesis is `acoustic_scale * A + lm_weight * G + insertion_bonus * N`: A is the
log-probability of its best frame path, G the log-probability the graph gives its words, N its
number of units.
"""

import math
from dataclasses import dataclass

import kaldi_decoder
import kaldifst
import numpy as np
import torch
from numpy.typing import NDArray

from speechmoe_espnet.decode.ctc_greedy import check_posteriors
from speechmoe_espnet.decode.graph.directory import Graph
from speechmoe_espnet.decode.graph.fst_arrays import EPSILON, FstArrays
from speechmoe_espnet.decode.graph.topology import unit_label
from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.decode.lattice import Lattice, Path
from speechmoe_espnet.decode.word_times import align_words, units_of_path

MIN_ACTIVE = 20


@dataclass(frozen=True)
class WfstOptions:
    """How to search.

    Attributes:
        beam: Paths worse than the best by more than this are dropped, in costs.
        max_active: Paths kept a frame, at most; None does not bound them. Bounds the memory and
            time of hard utterances, for a single best path only.
        acoustic_scale: Factor of acoustic log-probabilities.
        lm_weight: Factor of the graph's costs.
        insertion_bonus: Added for each unit.
        nbest: Hypotheses an utterance.
        lattice_beam: Lattice paths worse than the best by more than this are dropped.
        blank_threshold: Blank probability from which on a frame is taken for blank, and all
            but the first frame of a run of such frames is skipped; None searches every frame.
    """

    beam: float = 12.0
    max_active: int | None = None
    acoustic_scale: float = 1.0
    lm_weight: float = 1.0
    insertion_bonus: float = 0.0
    nbest: int = 1
    lattice_beam: float = 8.0
    blank_threshold: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be searched.

        Raises:
            ValueError: Several hypotheses are asked for with max_active.
        """
        if self.nbest > 1 and self.max_active is not None:
            raise ValueError(
                f"max_active: {self.max_active} with nbest: {self.nbest}: kaldi-decoder bounds "
                f"the number of paths for a single best one only; remove one of the two"
            )


class WfstSearch:
    """A graph with a way to search it.

    Args:
        graph: The graph; its weights are set by the options once, here.
        options: How to search.
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
            log_probs: Log-probabilities of units, (B, T, V); what lies in padding never matters.
            lengths: Number of valid frames, (B,), each at most T.

        Returns:
            For each utterance up to `nbest` hypotheses with distinct words, best first. Where
            no path through the graph fits the frames, one empty hypothesis.

        Raises:
            ValueError: If shapes or lengths do not fit together.
        """
        lengths = check_posteriors(log_probs, lengths, self.blank_id)
        if log_probs.size(2) != len(self._units):
            raise ValueError(
                f"log_probs have {log_probs.size(2)} units, the graph's model {len(self._units)}"
            )
        frames = log_probs.float().cpu().numpy()
        return [self._search(frames[row, :length]) for row, length in enumerate(lengths.tolist())]

    def lattice(self, log_probs: NDArray[np.float32]) -> Lattice | None:
        """Search one utterance, keeping all paths within the lattice beam.

        Args:
            log_probs: Log-probabilities of units, (T, V).

        Returns:
            The lattice over the frames searched, None where no path fits the frames.
        """
        frames, _ = self._frames(log_probs)
        return self._lattice(frames)

    def _search(self, log_probs: NDArray[np.float32]) -> list[Hypothesis]:
        if not len(log_probs):
            return [Hypothesis((), 0.0, 0.0, 0.0, (), ())]
        frames, numbers = self._frames(log_probs)
        if self.options.nbest == 1:
            paths = self._best_path(frames)
        else:
            lattice = self._lattice(frames)
            paths = [] if lattice is None else lattice.best_paths(self.options.nbest)
        if not paths:
            return [Hypothesis((), -math.inf, -math.inf, 0.0, (), ())]
        return [self._hypothesis(path, numbers, len(log_probs)) for path in paths]

    def _frames(
        self, log_probs: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scaled log-probabilities of the frames to search, and their numbers."""
        numbers = np.arange(len(log_probs))
        threshold = self.options.blank_threshold
        if threshold is not None:
            certain = log_probs[:, self.blank_id] >= math.log(threshold)
            numbers = numbers[~(certain & np.concatenate([[False], certain[:-1]]))]
        scaled = log_probs[numbers] * np.float32(self.options.acoustic_scale)
        return np.ascontiguousarray(scaled), numbers

    def _best_path(self, frames: NDArray[np.float32]) -> list[Path]:
        decodable = kaldi_decoder.DecodableCtc(frames)
        if self.options.max_active is None:
            decoder = self._lattice_decoder()
            if not decoder.decode(decodable) or decoder.final_relative_cost() == math.inf:
                return []
        else:
            options = kaldi_decoder.FasterDecoderOptions(
                beam=self.options.beam,
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

    def _lattice(self, frames: NDArray[np.float32]) -> Lattice | None:
        decoder = self._lattice_decoder()
        decodable = kaldi_decoder.DecodableCtc(frames)
        if not decoder.decode(decodable) or decoder.final_relative_cost() == math.inf:
            return None
        return Lattice.from_kaldi(decoder.get_raw_lattice(use_final_probs=True)[1])

    def _lattice_decoder(self) -> kaldi_decoder.LatticeSimpleDecoder:
        return kaldi_decoder.LatticeSimpleDecoder(
            self._fst,
            kaldi_decoder.LatticeSimpleDecoderConfig(
                beam=self.options.beam, lattice_beam=self.options.lattice_beam
            ),
        )

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
        fst: HLG as it was built: costs are those of the language model.
        lm_weight: Factor of its costs.
        insertion_bonus: Taken off the cost of each arc that begins a unit.
        blank_label: Input label of the blank.

    Returns:
        The graph with new costs; the same one where nothing changes.
    """
    if lm_weight == 1.0 and insertion_bonus == 0.0:
        return fst
    arcs = fst.arcs.copy()
    arcs["weight"] *= np.float32(lm_weight)
    if insertion_bonus:
        label = arcs["ilabel"]
        # A unit goes on by the loop at its state and by nothing else.
        begins = (label != EPSILON) & (label != blank_label) & (arcs["target"] != fst.source)
        arcs["weight"][begins] -= np.float32(insertion_bonus)
    return FstArrays(fst.start, fst.final * np.float32(lm_weight), fst.num_arcs, arcs)
