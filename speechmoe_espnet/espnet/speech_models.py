"""ESPnet's models of spoken language understanding, translation and OWSM, with SpeechMoE's losses.

These models call the encoder themselves and drop what it returns beside its output, so that its
outputs are recorded while they run.
"""

from typing import Any

from espnet2.s2t.espnet_model import ESPnetS2TModel
from espnet2.slu.espnet_model import ESPnetSLUModel
from espnet2.st.espnet_model import ESPnetSTModel
from espnet2.torch_utils.device_funcs import force_gatherable
from torch import Tensor

from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.espnet.auxiliary_losses import AuxiliaryLosses
from speechmoe_espnet.espnet.model import check_interctc_loss


class RecordedLosses(AuxiliaryLosses):
    """Auxiliary losses for a model whose forward calls the encoder once.

    Attributes:
        spoken_text: Name of the batch's text that says what is spoken, in the order in which it is
            spoken: the labels of the embedding network's CTC loss.
    """

    spoken_text = "text"

    def _check_supported(self) -> None:
        if getattr(self, "postencoder", None) is not None:
            raise ValueError("postencoder: SpeechMoE encoders are used without one; remove it")
        if self.encoder.embedding is not None and self._embedding_vocab_size() < 1:
            raise ValueError(
                "encoder_conf: the embedding network of SpeechMoE encoders needs "
                f"{self.spoken_text}; give the data and its token list, or set use_embedding: false"
            )

    def forward(self, **batch: Any) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Compute the loss of a batch.

        Args:
            batch: The entries of a batch of ESPnet's loader, by name.

        Returns:
            Loss, stats and batch size, as ESPnet's trainer expects them.
        """
        self._begin_step()
        if not isinstance(self.encoder, AbsSpeechMoEEncoder):
            return super().forward(**batch)
        with self.encoder.recording() as outputs:
            loss, stats, weight = super().forward(**batch)
        (out,) = outputs
        text, lengths = self._spoken(batch) if self.embedding_ctc is not None else (None, None)
        stats = {name: value for name, value in stats.items() if name != "loss"}
        loss = loss + self._auxiliary_loss(out, text, lengths, stats)
        stats["loss"] = loss.detach()
        self._end_step()
        return force_gatherable((loss, stats, weight), loss.device)

    def _spoken(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        text = batch.get(self.spoken_text)
        if text is None:
            raise ValueError(
                f"the embedding network's loss needs {self.spoken_text}; add it to the data, or "
                "set encoder_conf: use_embedding: false"
            )
        lengths = batch[f"{self.spoken_text}_lengths"]
        return text[:, : lengths.max()], lengths


class SpeechMoESLUModel(RecordedLosses, ESPnetSLUModel):
    """ESPnet's model of spoken language understanding, with SpeechMoE's losses.

    Args:
        kwargs: Options of AuxiliaryLosses, and ESPnetSLUModel's arguments.
    """

    def _check_supported(self) -> None:
        super()._check_supported()
        if self.superb_setup and self.encoder.embedding is not None:
            raise ValueError(
                "model_conf: superb_setup has classes and no text, which the embedding network of "
                "SpeechMoE encoders learns from; set encoder_conf: use_embedding: false"
            )
        check_interctc_loss(self.encoder, self.interctc_weight, self.ctc_weight)


class SpeechMoES2TModel(RecordedLosses, ESPnetS2TModel):
    """ESPnet's model of OWSM, with SpeechMoE's losses.

    Args:
        kwargs: Options of AuxiliaryLosses, and ESPnetS2TModel's arguments.
    """

    spoken_text = "text_ctc"

    def _check_supported(self) -> None:
        super()._check_supported()
        check_interctc_loss(self.encoder, self.interctc_weight, self.ctc_weight)


class SpeechMoESTModel(RecordedLosses, ESPnetSTModel):
    """ESPnet's model of speech translation, with SpeechMoE's losses.

    The embedding network learns from the transcript, `src_text`.

    Args:
        kwargs: Options of AuxiliaryLosses, and ESPnetSTModel's arguments.
    """

    spoken_text = "src_text"

    def _embedding_vocab_size(self) -> int:
        return int(self.src_vocab_size or 0)

    def _check_supported(self) -> None:
        super()._check_supported()
        if self.encoder.interctc_layer_idx:
            raise ValueError(
                "encoder_conf: interctc_layer_idx: ESPnet's model of translation has no "
                "intermediate CTC; remove it"
            )


MODELS: dict[str, type | None] = {"slu": SpeechMoESLUModel, "s2t": SpeechMoES2TModel, "st": None}
"""Model with the losses by task of ESPnet; None where the task has no table of models."""
