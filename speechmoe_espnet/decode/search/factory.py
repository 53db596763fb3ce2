"""Factory of searches: from a decode configuration to a search over model outputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from speechmoe_espnet.decode.config import (
    CTC_GREEDY,
    CTC_PREFIX_BEAM,
    WFST,
    DecodeConfig,
)
from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.decode.search.greedy import ctc_greedy_search
from speechmoe_espnet.decode.search.prefix_beam import ctc_prefix_beam_search

JointSearch = Callable[[torch.Tensor], list[Hypothesis]]


@dataclass(frozen=True)
class Encoded:
    """Model outputs of a batch: B utterances, T' frames, V units, D values.

    Attributes:
        encoder_out: (B, T', D).
        log_probs: Log-probabilities of units, (B, T', V).
        lengths: Valid frames, (B,).
    """

    encoder_out: torch.Tensor
    log_probs: torch.Tensor
    lengths: torch.Tensor

    @classmethod
    def of(cls, model: Any, encoder_out: Any, lengths: torch.Tensor) -> Self:
        """Apply a model's CTC head to its encoder output.

        Args:
            model: An ESPnet ASR model.
            encoder_out: (B, T', D), or a tuple that begins with it, as returned by encoders
                with intermediate outputs.
            lengths: Valid frames, (B,).
        """
        if isinstance(encoder_out, tuple):
            encoder_out = encoder_out[0]
        return cls(encoder_out, model.ctc.log_softmax(encoder_out).float(), lengths)


@dataclass(frozen=True)
class Found:
    """Result of a search for one utterance.

    Attributes:
        hypotheses: Best first.
        lattice: Lattice in Kaldi's text format without the utterance id; None unless the
            configuration asks for it.
    """

    hypotheses: Sequence[Hypothesis]
    lattice: str = ""


Search = Callable[[Encoded], list[Found]]


def make_search(
    config: DecodeConfig,
    tokens: Sequence[str],
    *,
    blank_id: int = 0,
    graph_dir: Path | None = None,
    ngram: Path | None = None,
    joint_search: JointSearch | None = None,
) -> Search:
    """Make the search of a configuration and load its files.

    Args:
        config: The configuration.
        tokens: Tokens of the model by id.
        blank_id: Id of the blank.
        graph_dir: The decoding graph, for wfst.
        ngram: ARPA file over units, for ctc_prefix_beam with `use_ngram`.
        joint_search: ESPnet's search over the output (T', D) of one utterance, for
            espnet_joint.

    Returns:
        The search.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A needed argument is missing, an argument is not used by the method, or a file
            does not belong to the model.
    """
    _check_given("graph_dir", graph_dir, config.needs_graph, config)
    _check_given("ngram", ngram, config.needs_ngram, config)
    if config.method == CTC_GREEDY:
        return lambda encoded: [
            Found([hyp]) for hyp in ctc_greedy_search(encoded.log_probs, encoded.lengths, blank_id)
        ]
    if config.method == CTC_PREFIX_BEAM:
        return _prefix_beam(config, tokens, blank_id, ngram)
    if config.method == WFST:
        return _wfst(config, tokens, blank_id, graph_dir)
    if joint_search is None:
        raise ValueError(f"method {config.method} needs an ESPnet model")
    return lambda encoded: [
        Found(joint_search(output[:length]))
        for output, length in zip(encoded.encoder_out, encoded.lengths.tolist(), strict=True)
    ]


def _check_given(name: str, path: Path | None, is_needed: bool, config: DecodeConfig) -> None:
    kind = f"method {config.method}"
    if config.method == CTC_PREFIX_BEAM:
        kind += f" with use_ngram: {str(config.use_ngram).lower()}"
    if is_needed and path is None:
        raise ValueError(f"--{name}: {kind} needs it (the recipe's stages make it)")
    if not is_needed and path is not None:
        raise ValueError(f"--{name} {path}: not used by {kind}; leave it out")


def _prefix_beam(
    config: DecodeConfig, tokens: Sequence[str], blank_id: int, ngram: Path | None
) -> Search:
    from speechmoe_espnet.decode.search.ngram_fusion import NgramFusion

    lm = None if ngram is None else NgramFusion.from_arpa(ngram, tokens)
    options = {name: value for name, value in config.options.items() if name != "use_ngram"}

    def search(encoded: Encoded) -> list[Found]:
        nonlocal lm
        if lm is not None:
            lm = lm.to(encoded.log_probs.device)
        found = ctc_prefix_beam_search(
            encoded.log_probs,
            encoded.lengths,
            blank_id=blank_id,
            lm=lm,
            **options,
        )
        return [Found(hyps) for hyps in found]

    return search


def _wfst(
    config: DecodeConfig, tokens: Sequence[str], blank_id: int, graph_dir: Path | None
) -> Search:
    from speechmoe_espnet.decode.graph.directory import Graph
    from speechmoe_espnet.decode.search.wfst import WfstOptions, WfstSearch

    assert graph_dir is not None
    search = WfstSearch(Graph.load(graph_dir, tokens), WfstOptions(**config.options), blank_id)
    return lambda encoded: [
        Found(hyps, "" if lattice is None else lattice.to_kaldi_text())
        for hyps, lattice in search.search(encoded.log_probs, encoded.lengths)
    ]
