"""ESPnet's joint beam search over CTC and attention decoder, with our interface of searches.

Our own searches use CTC only. For a model with an attention decoder, CTC and attention together
are more accurate, and ESPnet's label-synchronous search is the reference. It is built here as
`espnet2.bin.asr_inference.Speech2Text` builds it, so that our batching, scoring and reports apply.

Shapes: T encoder frames, D encoder output size.
"""

from typing import Any

import torch
from espnet2.legacy.nets.batch_beam_search import BatchBeamSearch
from espnet2.legacy.nets.beam_search import BeamSearch
from espnet2.legacy.nets.scorer_interface import BatchScorerInterface
from espnet2.legacy.nets.scorers.ctc import CTCPrefixScorer
from espnet2.legacy.nets.scorers.length_bonus import LengthBonus

from speechmoe_espnet.decode.hypothesis import Hypothesis

CTC_WINDOW_MARGIN = 100
"""Encoder frames on each side of a prefix that its CTC score covers; ESPnet's default."""


class JointSearch:
    """ESPnet's beam search for one model.

    Args:
        model: An ESPnetASRModel with a CTC head, an attention decoder or both; it is switched to
            evaluation mode.
        beam_size: Hypotheses kept per step.
        ctc_weight: Weight of the CTC prefix score; the attention decoder has the rest. None: 0.5
            as in ESPnet for a model with both, full weight for a model with one of them.
        penalty: Added to the score for each unit.
        maxlenratio: Maximum number of units per encoder frame. 0: as many units as frames, and the
            search stops early when longer hypotheses no longer improve; -n: n units.
        minlenratio: Minimum number of units, in the same terms.
        nbest: Hypotheses returned per utterance.

    Raises:
        ValueError: An option is out of its range, the model lacks what `ctc_weight` needs, or
            it is a transducer.
    """

    def __init__(
        self,
        model: Any,
        *,
        beam_size: int = 10,
        ctc_weight: float | None = None,
        penalty: float = 0.0,
        maxlenratio: float = 0.0,
        minlenratio: float = 0.0,
        nbest: int = 1,
    ) -> None:
        if beam_size < 1:
            raise ValueError(f"beam_size must be at least 1, got {beam_size}")
        if nbest < 1:
            raise ValueError(f"nbest must be at least 1, got {nbest}")
        ctc_weight = _check_model(model, ctc_weight)
        self.maxlenratio = maxlenratio
        self.minlenratio = minlenratio
        self.nbest = nbest
        self.model = model.eval()
        self.search = _build(model, beam_size, ctc_weight, penalty)

    @torch.inference_mode()
    def __call__(self, encoder_out: torch.Tensor) -> list[Hypothesis]:
        """Search one utterance.

        Args:
            encoder_out: Encoder output, (T, D), without padding.

        Returns:
            Up to `nbest` hypotheses, best first; one empty hypothesis if there are no frames; no
            hypothesis if none ended within the allowed lengths.

        Raises:
            ValueError: The encoder output is not (T, D).
        """
        if encoder_out.dim() != 2:
            raise ValueError(
                f"encoder_out must be (frames, size), got {tuple(encoder_out.shape)}; "
                f"give utterances one by one, without padding"
            )
        if not encoder_out.size(0):
            return [Hypothesis((), 0.0)]
        _set_up_steps(self.model.decoder)
        found = self.search(
            x=encoder_out, maxlenratio=self.maxlenratio, minlenratio=self.minlenratio
        )
        return [self._hypothesis(hyp) for hyp in found[: self.nbest]]

    def _hypothesis(self, hyp: Any) -> Hypothesis:
        silent = (self.model.blank_id, self.model.sos, self.model.eos)
        units = [unit for unit in hyp.yseq.tolist()[1:-1] if unit not in silent]
        parts = {
            name: self.search.weights[name] * float(score) for name, score in hyp.scores.items()
        }
        bonus = parts.pop("length_bonus", 0.0)
        acoustic_score = sum(parts.values())
        return Hypothesis(tuple(units), acoustic_score + bonus, acoustic_score, bonus)


def _check_model(model: Any, ctc_weight: float | None) -> float:
    if getattr(model, "use_transducer_decoder", False):
        raise ValueError(
            "the model is a transducer, which this search does not support; decode it with "
            "`python -m speechmoe_espnet.bin.asr_inference`"
        )
    if ctc_weight is None:
        ctc_weight = 0.5 if model.ctc is not None else 0.0
        ctc_weight = 1.0 if model.decoder is None else ctc_weight
    if not 0.0 <= ctc_weight <= 1.0:
        raise ValueError(f"ctc_weight must be in [0, 1], got {ctc_weight}")
    if ctc_weight < 1.0 and model.decoder is None:
        raise ValueError(
            f"ctc_weight: {ctc_weight} needs an attention decoder, but the model has none; "
            f"use ctc_weight: 1.0"
        )
    if ctc_weight > 0.0 and model.ctc is None:
        raise ValueError(
            f"ctc_weight: {ctc_weight} needs a CTC head, but the model was trained without one "
            f"(ctc_weight 0); use ctc_weight: 0.0"
        )
    return ctc_weight


def _build(model: Any, beam_size: int, ctc_weight: float, penalty: float) -> BeamSearch:
    search = BeamSearch(
        beam_size=beam_size,
        weights={"decoder": 1.0 - ctc_weight, "ctc": ctc_weight, "length_bonus": penalty},
        scorers={
            "decoder": model.decoder,
            "ctc": CTCPrefixScorer(ctc=model.ctc, eos=model.eos, window_margin=CTC_WINDOW_MARGIN),
            "length_bonus": LengthBonus(len(model.token_list)),
        },
        sos=model.sos,
        eos=model.eos,
        vocab_size=len(model.token_list),
        token_list=model.token_list,
        pre_beam_score_key=None if ctc_weight == 1.0 else "full",
    )
    if all(isinstance(scorer, BatchScorerInterface) for scorer in search.full_scorers.values()):
        # As in ESPnet: both classes have the same attributes; the batch search adds a batched
        # `forward`.
        search.__class__ = BatchBeamSearch
    parameter = next(model.parameters())
    return search.to(device=parameter.device, dtype=parameter.dtype).eval()


def _set_up_steps(decoder: Any) -> None:
    """Prepare state space decoders (S4) for single steps, as ESPnet does for each utterance."""
    if decoder is not None:
        for module in decoder.modules():
            if hasattr(module, "setup_step"):
                module.setup_step()
