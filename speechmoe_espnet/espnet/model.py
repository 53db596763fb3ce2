"""ESPnet's ASR model with SpeechMoE's auxiliary losses and load statistics."""

from typing import Any, cast

import torch
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.torch_utils.device_funcs import force_gatherable
from torch import Tensor

from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.encoder.output import SpeechMoEOutput, valid_frames
from speechmoe_espnet.espnet.auxiliary_losses import AuxiliaryLosses
from speechmoe_espnet.espnet.ctc import ctc_loss


class SpeechMoEASRModel(AuxiliaryLosses, ESPnetASRModel):
    """L = L_asr + alpha sum_l L_s + beta sum_l L_m + gamma L_e.

    SpeechMoE (arXiv 2105.03036), equation 9; AuxiliaryLosses has the weights and what they mean.
    With an encoder that is not SpeechMoE this is ESPnetASRModel, bit for bit. Intermediate CTC
    (arXiv 2102.03216) is ESPnet's: L_ctc becomes a mean over the output and, by `interctc_weight`,
    the blocks of the encoder's `interctc_layer_idx`.

    Args:
        kwargs: Options of AuxiliaryLosses, and ESPnetASRModel's arguments.

    Raises:
        ValueError: Where a number is out of its range, or a SpeechMoE encoder meets a configuration
            that would train it without its losses.
    """

    def _check_supported(self) -> None:
        if self.use_transducer_decoder or self.use_linear_decoder:
            raise ValueError(
                "model: speechmoe trains SpeechMoE encoders with CTC and attention; "
                "remove the transducer or linear decoder"
            )
        if self.postencoder is not None:
            raise ValueError("postencoder: SpeechMoE encoders are used without one; remove it")
        check_interctc_loss(self.encoder, self.interctc_weight, self.ctc_weight)

    def forward(
        self,
        speech: Tensor,
        speech_lengths: Tensor,
        text: Tensor,
        text_lengths: Tensor,
        **kwargs: Any,
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Compute the loss of a batch.

        Args:
            speech: Waveforms (B, samples) or features (B, T, F).
            speech_lengths: (B,).
            text: Token ids (B, L), padded with ignore_id.
            text_lengths: (B,).
            kwargs: Other entries of a batch of ESPnet's loader: `utt_id`, and texts of `aux_ctc`.

        Returns:
            Loss, stats and batch size, as ESPnet's trainer expects them.
        """
        if not isinstance(self.encoder, AbsSpeechMoEEncoder):
            self._begin_step()
            return super().forward(speech, speech_lengths, text, text_lengths, **kwargs)
        text = text.masked_fill(text == -1, self.ignore_id)[:, : text_lengths.max()]
        self._begin_step()
        out = self.encode_with_routing(speech, speech_lengths)
        stats: dict[str, Any] = {}
        loss = self._asr_loss(out, text, text_lengths, stats, kwargs)
        loss = loss + self._auxiliary_loss(out, text, text_lengths, stats)
        stats["loss"] = loss.detach()
        self._end_step()
        return force_gatherable((loss, stats, speech.size(0)), loss.device)

    def encode(
        self, speech: Tensor, speech_lengths: Tensor
    ) -> tuple[Tensor | tuple[Tensor, list[tuple[int, Tensor]]], Tensor]:
        """Encode as ESPnet's model does: (B, T', D) and lengths (B,).

        With intermediate CTC the first is a pair, as in ESPnet: the output, and a list of (block,
        normalised output).
        """
        if not isinstance(self.encoder, AbsSpeechMoEEncoder):
            return super().encode(speech, speech_lengths)
        out = self.encode_with_routing(speech, speech_lengths)
        if out.intermediate_outs:
            return (out.encoder_out, list(out.intermediate_outs)), out.encoder_out_lens
        return out.encoder_out, out.encoder_out_lens

    def encode_with_routing(self, speech: Tensor, speech_lengths: Tensor) -> SpeechMoEOutput:
        """Encode, and return the routing as well.

        Args:
            speech: Waveforms (B, samples) or features (B, T, F).
            speech_lengths: (B,).

        Returns:
            The encoder's output.

        Raises:
            ValueError: Where the encoder is not SpeechMoE.
        """
        if not isinstance(self.encoder, AbsSpeechMoEEncoder):
            raise ValueError(f"{type(self.encoder).__name__} has no routing")
        with torch.autocast("cuda", enabled=self.autocast_frontend):
            feats, lengths = self._extract_feats(speech, speech_lengths)
            if self.specaug is not None and self.training:
                feats, lengths = self.specaug(feats, lengths)
            if self.normalize is not None:
                # ESPnet normalises in place, and features may be the caller's.
                feats, lengths = self.normalize(feats.clone(), lengths)
        if self.preencoder is not None:
            feats, lengths = self.preencoder(feats, lengths)
        return self.encoder.forward_with_routing(feats, lengths, ctc=self.ctc)

    def _asr_loss(
        self,
        out: SpeechMoEOutput,
        text: Tensor,
        text_lengths: Tensor,
        stats: dict[str, Any],
        batch: dict[str, Any],
    ) -> Tensor:
        """Loss of CTC, of attention, or ESPnet's interpolation of both."""
        loss_ctc: Tensor | None = None
        loss_att: Tensor | None = None
        if self.ctc_weight != 0.0:
            loss_ctc = ctc_loss(self.ctc, out.encoder_out, out.encoder_out_lens, text, text_lengths)
            stats["loss_ctc"] = loss_ctc.detach()
            stats["cer_ctc"] = self._ctc_error_rate(out.encoder_out, out.encoder_out_lens, text)
            if self.interctc_weight:
                loss_inter = self._interctc_loss(out, text, text_lengths, stats, batch)
                weight = self.interctc_weight
                loss_ctc = (1 - weight) * loss_ctc + weight * loss_inter
        if self.ctc_weight != 1.0:
            loss_att, stats["acc"], stats["cer"], stats["wer"] = self._calc_att_loss(
                out.encoder_out, out.encoder_out_lens, text, text_lengths
            )
            stats["loss_att"] = loss_att.detach()
        if loss_att is None:
            assert loss_ctc is not None
            return loss_ctc
        if loss_ctc is None:
            return loss_att
        return self.ctc_weight * loss_ctc + (1 - self.ctc_weight) * loss_att

    def _interctc_loss(
        self,
        out: SpeechMoEOutput,
        text: Tensor,
        text_lengths: Tensor,
        stats: dict[str, Any],
        batch: dict[str, Any],
    ) -> Tensor:
        """Mean CTC loss over blocks, of the text or of the text that `aux_ctc` names."""
        losses = []
        for number, hidden in out.intermediate_outs:
            labels, lengths = text, text_lengths
            name = (self.aux_ctc or {}).get(str(number))
            if name is not None:
                if name not in batch:
                    raise ValueError(
                        f"model_conf: aux_ctc: block {number} wants {name}, which the data lack; "
                        f"add FILE,{name},text to --train_data_path_and_name_and_type and to "
                        "--valid_data_path_and_name_and_type"
                    )
                labels, lengths = batch[name], batch[f"{name}_lengths"]
            loss = ctc_loss(self.ctc, hidden, out.encoder_out_lens, labels, lengths)
            stats[f"loss_interctc_layer{number}"] = loss.detach()
            stats[f"cer_interctc_layer{number}"] = self._ctc_error_rate(
                hidden, out.encoder_out_lens, labels
            )
            losses.append(loss)
        return torch.stack(losses).mean()

    def _ctc_error_rate(self, hidden: Tensor, lengths: Tensor, text: Tensor) -> float | None:
        """Errors of the best path; ESPnet's own also counts what padding emits."""
        if self.training or self.error_calculator is None:
            return None
        mask = valid_frames(lengths, hidden.size(1))
        path = self.ctc.argmax(hidden).masked_fill(~mask, self.blank_id)
        return cast(float | None, self.error_calculator(path.cpu(), text.cpu(), is_ctc=True))


def check_interctc_loss(
    encoder: AbsSpeechMoEEncoder, interctc_weight: float, ctc_weight: float
) -> None:
    """Raise ValueError where intermediate CTC is asked for by half, and would do nothing."""
    blocks = encoder.interctc_layer_idx
    if interctc_weight and not blocks:
        raise ValueError(
            f"model_conf: interctc_weight {interctc_weight} needs blocks to compute the loss of; "
            "name them in encoder_conf: interctc_layer_idx, or set it to 0.0"
        )
    if blocks and not (interctc_weight or encoder.interctc_use_conditioning):
        raise ValueError(
            f"encoder_conf: interctc_layer_idx {blocks} has no effect with interctc_weight 0.0; "
            "set model_conf: interctc_weight, or encoder_conf: interctc_use_conditioning"
        )
    if blocks and not ctc_weight:
        raise ValueError(
            f"encoder_conf: interctc_layer_idx {blocks} needs a CTC head; set model_conf: "
            "ctc_weight above 0.0"
        )
