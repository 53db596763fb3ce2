"""ESPnet's ASR model with SpeechMoE's auxiliary losses and load statistics."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from espnet2.asr.ctc import CTC
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.torch_utils.device_funcs import force_gatherable
from torch import Tensor

from speechmoe_espnet.encoder.backbone import Block
from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.encoder.output import SpeechMoEOutput, valid_frames
from speechmoe_espnet.espnet.ctc import ctc_loss
from speechmoe_espnet.espnet.steps import Schedule, StepCounter
from speechmoe_espnet.moe import (
    ExpertInit,
    MoEFeedForward,
    Routing,
    mean_importance_loss,
    router_z_loss,
    sparsity_l1_loss,
    switch_load_balance_loss,
)
from speechmoe_espnet.moe.routing_options import check_number
from speechmoe_espnet.moe.stats import routing_stats

MAX_FACTOR = 1e6
MIN_SCALE = 1e-12


class LossWeights(NamedTuple):
    """Weights of the auxiliary losses; see SpeechMoEASRModel for what they multiply."""

    alpha: float
    beta: float
    gamma: float
    load_balance: float
    router_z: float


class SpeechMoEASRModel(ESPnetASRModel):
    """L = L_asr + alpha sum_l L_s + beta sum_l L_m + gamma L_e.

    SpeechMoE (arXiv 2105.03036), equation 9: sparsity L1 and mean importance losses of every
    router and the CTC loss of the embedding network, whose CTC head lives here because
    encoders know no vocabulary. With an encoder that is not SpeechMoE this is ESPnetASRModel,
    bit for bit.

    ESPnet's CTC loss is a sum over frames, averaged over utterances. Routing losses are means
    over frames; they are multiplied by the batch's mean number of frames an utterance, so that
    all terms are sums over frames averaged over utterances and a weight means the same at every
    utterance length. The terms in `stats` are reported before weighting, summed over layers
    and as means over frames.

    Args:
        alpha: Weight of the sparsity L1 loss.
        beta: Weight of the mean importance loss.
        gamma: Weight of the embedding network's CTC loss.
        alpha_schedule: Factors of alpha on the way, [[step, factor], ...]: linear in between,
            constant outside; steps are training forwards (batches). Evaluation always has the last
            factor, so that validation losses of all epochs can be compared. None: 1.
        beta_schedule: Factors of beta.
        load_balance_weight: Weight of Switch Transformer's load-balance loss.
        router_z_weight: Weight of the router z-loss.
        router_lr_scale: Learning rate of the routers as a multiple of the model's.
        expert_lr_scale: Learning rate of the experts (where there are several) as a multiple
            of the model's.
        expert_init_noise: Noise on experts that `--init_param` copies, see moe.ExpertInit.
        expert_init_redraw: Share of hidden neurons that it draws anew.
        expert_init_seed: Seed of both.
        clip_by_group: Whether `grad_clip` limits the gradients of routers, experts and the rest
            each on its own, in place of all together.
        kwargs: ESPnetASRModel's arguments.

    Raises:
        ValueError: Where a number is out of its range, or a SpeechMoE encoder meets a configuration
            that would train it without its losses.
    """

    def __init__(
        self,
        *,
        alpha: float = 0.15,
        beta: float = 0.15,
        gamma: float = 0.01,
        alpha_schedule: Sequence[Sequence[float]] | None = None,
        beta_schedule: Sequence[Sequence[float]] | None = None,
        load_balance_weight: float = 0.0,
        router_z_weight: float = 0.0,
        router_lr_scale: float = 1.0,
        expert_lr_scale: float = 1.0,
        expert_init_noise: float = 0.0,
        expert_init_redraw: float = 0.0,
        expert_init_seed: int = 0,
        clip_by_group: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weights = LossWeights(alpha, beta, gamma, load_balance_weight, router_z_weight)
        for name, weight in self.weights._asdict().items():
            option = name if name in ("alpha", "beta", "gamma") else f"{name}_weight"
            check_number(f"model_conf: {option}", weight, 0.0, MAX_FACTOR)
        scales = {"router_lr_scale": router_lr_scale, "expert_lr_scale": expert_lr_scale}
        for name, scale in scales.items():
            check_number(f"model_conf: {name}", scale, MIN_SCALE, MAX_FACTOR)
        self.router_lr_scale, self.expert_lr_scale = router_lr_scale, expert_lr_scale
        self.expert_init = ExpertInit(expert_init_noise, expert_init_redraw, expert_init_seed)
        self.clip_by_group = clip_by_group
        self.schedules = {
            name: Schedule.parse(points, f"model_conf: {name}_schedule")
            for name, points in (("alpha", alpha_schedule), ("beta", beta_schedule))
            if points is not None
        }
        self.steps: StepCounter | None = None
        self.embedding_ctc: CTC | None = None
        if isinstance(self.encoder, AbsSpeechMoEEncoder):
            self._check_supported()
            if self.schedules or self._moe_layers()[0].routing_warmup_steps:
                self.steps = StepCounter()
            if self.encoder.embedding is not None:
                self.embedding_ctc = CTC(
                    odim=self.vocab_size, encoder_output_size=self.encoder.embedding_size
                )

    def _check_supported(self) -> None:
        if self.use_transducer_decoder or self.use_linear_decoder:
            raise ValueError(
                "model: speechmoe trains SpeechMoE encoders with CTC and attention; "
                "remove the transducer or linear decoder"
            )
        if self.postencoder is not None:
            raise ValueError("postencoder: SpeechMoE encoders are used without one; remove it")
        if self.interctc_weight:
            raise ValueError(
                f"model_conf: interctc_weight {self.interctc_weight} needs intermediate "
                "outputs, which SpeechMoE encoders do not give; set it to 0.0"
            )

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
            kwargs: Other entries of a batch of ESPnet's loader (`utt_id`).

        Returns:
            Loss, stats and batch size, as ESPnet's trainer expects them.
        """
        if not isinstance(self.encoder, AbsSpeechMoEEncoder):
            return super().forward(speech, speech_lengths, text, text_lengths, **kwargs)
        text = text.masked_fill(text == -1, self.ignore_id)[:, : text_lengths.max()]
        if self.training and self.steps is not None:
            for layer in self._moe_layers():
                layer.set_step(self.steps.count)
        out = self.encode_with_routing(speech, speech_lengths)
        stats: dict[str, Any] = {}
        loss = self._asr_loss(out, text, text_lengths, stats)
        loss = loss + self._auxiliary_loss(out, text, text_lengths, stats)
        stats["loss"] = loss.detach()
        if self.training and self.steps is not None:
            self.steps.advance()
        return force_gatherable((loss, stats, speech.size(0)), loss.device)

    def encode(self, speech: Tensor, speech_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode as ESPnet's model does: (B, T', D) and lengths (B,)."""
        if not isinstance(self.encoder, AbsSpeechMoEEncoder):
            return super().encode(speech, speech_lengths)
        out = self.encode_with_routing(speech, speech_lengths)
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
        return self.encoder.forward_with_routing(feats, lengths)

    def _moe_layers(self) -> list[MoEFeedForward]:
        return [cast(Block, block).feed_forward for block in self.encoder.backbone.blocks]

    def _asr_loss(
        self, out: SpeechMoEOutput, text: Tensor, text_lengths: Tensor, stats: dict[str, Any]
    ) -> Tensor:
        """Loss of CTC, of attention, or ESPnet's interpolation of both."""
        loss_ctc: Tensor | None = None
        loss_att: Tensor | None = None
        if self.ctc_weight != 0.0:
            loss_ctc = ctc_loss(self.ctc, out.encoder_out, out.encoder_out_lens, text, text_lengths)
            stats["loss_ctc"] = loss_ctc.detach()
            stats["cer_ctc"] = self._ctc_error_rate(out, text)
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

    def _ctc_error_rate(self, out: SpeechMoEOutput, text: Tensor) -> float | None:
        """Errors of the best path; ESPnet's own also counts what padding emits."""
        if self.training or self.error_calculator is None:
            return None
        mask = valid_frames(out.encoder_out_lens, out.encoder_out.size(1))
        path = self.ctc.argmax(out.encoder_out).masked_fill(~mask, self.blank_id)
        return cast(float | None, self.error_calculator(path.cpu(), text.cpu(), is_ctc=True))

    def _auxiliary_loss(
        self, out: SpeechMoEOutput, text: Tensor, text_lengths: Tensor, stats: dict[str, Any]
    ) -> Tensor:
        """Weighted sum of the routing losses and of the embedding network's CTC loss."""
        loss = out.encoder_out.new_zeros(())
        if self.embedding_ctc is not None:
            assert out.embedding_out is not None
            loss_embedding = ctc_loss(
                self.embedding_ctc, out.embedding_out, out.encoder_out_lens, text, text_lengths
            )
            stats["loss_embedding"] = loss_embedding.detach()
            loss = loss + self.weights.gamma * loss_embedding
        if out.routing:
            mask = valid_frames(out.encoder_out_lens, out.routing[0].probs.size(1))
            frames_per_utterance = mask.sum() / mask.size(0)
            loss = loss + frames_per_utterance * self._routing_loss(out.routing, mask, stats)
            stats.update(routing_stats(out.routing, mask))
        return loss

    def _routing_loss(
        self, routing: tuple[Routing, ...], mask: Tensor, stats: dict[str, Any]
    ) -> Tensor:
        probs = torch.stack([layer.probs for layer in routing])
        sparsity = sparsity_l1_loss(probs, mask).sum()
        importance = mean_importance_loss(probs, mask).sum()
        stats["loss_sparsity"] = sparsity.detach()
        stats["loss_importance"] = importance.detach()
        loss = self._weight("alpha") * sparsity + self._weight("beta") * importance
        if self.weights.load_balance:
            indices = torch.stack([layer.indices for layer in routing])
            balance = switch_load_balance_loss(probs, indices, mask).sum()
            stats["loss_load_balance"] = balance.detach()
            loss = loss + self.weights.load_balance * balance
        if self.weights.router_z:
            z_loss = router_z_loss(torch.stack([layer.logits for layer in routing]), mask).sum()
            stats["loss_router_z"] = z_loss.detach()
            loss = loss + self.weights.router_z * z_loss
        return loss

    def _weight(self, name: str) -> float:
        """Current weight of a loss, after its schedule if it has one."""
        weight: float = getattr(self.weights, name)
        schedule = self.schedules.get(name)
        if schedule is None:
            return weight
        assert self.steps is not None
        return weight * (schedule(self.steps.count) if self.training else schedule.last)
