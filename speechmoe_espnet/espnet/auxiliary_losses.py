"""SpeechMoE's auxiliary losses, load statistics and options, for models of ESPnet."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from espnet2.asr.ctc import CTC
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor

from speechmoe_espnet.encoder.backbone import Block
from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.encoder.output import SpeechMoEOutput, valid_frames
from speechmoe_espnet.espnet.ctc import ctc_loss
from speechmoe_espnet.espnet.option_effects import OptionEffects
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
from speechmoe_espnet.moe.expert_parallel import Ranks, all_ranks, divided_modules
from speechmoe_espnet.moe.routing_options import check_number
from speechmoe_espnet.moe.stats import routing_stats

MAX_FACTOR = 1e6
MIN_SCALE = 1e-12


class LossWeights(NamedTuple):
    """Weights of the auxiliary losses; see AuxiliaryLosses for what they multiply."""

    alpha: float
    beta: float
    gamma: float
    load_balance: float
    router_z: float


class AuxiliaryLosses(AbsESPnetModel):
    """alpha sum_l L_s + beta sum_l L_m + gamma L_e, for a model of ESPnet that comes next in line.

    SpeechMoE (arXiv 2105.03036), equation 9: sparsity L1 and mean importance losses of every
    router and the CTC loss of the embedding network, whose CTC head lives here because
    encoders know no vocabulary.

    ESPnet's CTC loss is a sum over frames, averaged over utterances. Routing losses are means
    over frames; they are multiplied by the batch's mean number of frames an utterance, so that
    all terms are sums over frames averaged over utterances and a weight means the same at every
    utterance length. The terms in `stats` are reported before weighting, summed over layers
    and as means over frames. A layer that stochastic depth left out has no part in them.

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
        kwargs: Arguments of ESPnet's model.

    Attributes:
        ranks: Processes of a training that compute each batch together, whose frames the routing
            losses and the statistics are means of; None for this process alone. The trainer sets
            it while all of them run the model.
        experts_in_training: Whether a trainer takes care of experts that are divided among
            processes.

    Raises:
        ValueError: Where a number is out of its range.
    """

    encoder: Any
    vocab_size: int

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
        self.effects = OptionEffects(
            alpha_schedule=alpha_schedule,
            beta_schedule=beta_schedule,
            load_balance_weight=load_balance_weight,
            router_z_weight=router_z_weight,
            **scales,
            expert_init_noise=expert_init_noise,
            expert_init_redraw=expert_init_redraw,
            expert_init_seed=expert_init_seed,
            clip_by_group=clip_by_group,
        )
        self.ranks: Ranks | None = None
        self.experts_in_training = False
        self.steps: StepCounter | None = None
        self.embedding_ctc: CTC | None = None
        if isinstance(self.encoder, AbsSpeechMoEEncoder):
            self._check_supported()
            if self.schedules or self._moe_layers()[0].routing_warmup_steps:
                self.steps = StepCounter()
            if self.encoder.embedding is not None:
                self.embedding_ctc = CTC(
                    odim=self._embedding_vocab_size(),
                    encoder_output_size=self.encoder.embedding_size,
                )

    def check_options(self) -> None:
        """Refuse options of model_conf that would do nothing in a training of this model.

        Raises:
            ValueError: Naming the option and why it would do nothing.
        """
        layers = []
        if isinstance(self.encoder, AbsSpeechMoEEncoder):
            layers = [layer for layer in self._moe_layers() if layer.router is not None]
        self.effects.check(has_experts=bool(layers))

    def _check_supported(self) -> None:
        """Raise ValueError for a configuration that would train the encoder without its losses."""

    def _embedding_vocab_size(self) -> int:
        """Units of the embedding network's CTC head."""
        return self.vocab_size

    def _moe_layers(self) -> list[MoEFeedForward]:
        return [cast(Block, block).feed_forward for block in self.encoder.backbone.blocks]

    def _begin_step(self) -> None:
        """Prepare a forward of a training: options that nobody applied, routing warm-up."""
        if not self.training:
            return
        if torch.is_grad_enabled() and not self.effects.checked:
            self.check_options()
            self.effects.check_applied()
            self._check_divided()
        if self.steps is not None:
            for layer in self._moe_layers():
                layer.set_step(self.steps.count)

    def _check_divided(self) -> None:
        """Raise ValueError for expert_parallel where nobody would divide or save the experts."""
        divided = bool(divided_modules(self))
        asked = isinstance(self.encoder, AbsSpeechMoEEncoder) and any(
            layer.experts.parallel for layer in self._moe_layers()
        )
        if asked and (all_ranks() is not None) and not (divided and self.experts_in_training):
            raise ValueError(
                "moe_conf: expert_parallel: true works under the tasks of speechmoe_espnet and "
                "their trainer alone, not under Lightning or DeepSpeed; train by `speechmoe "
                "train_processes asr_train`, or set it to false"
            )

    def _end_step(self) -> None:
        if self.training and self.steps is not None:
            self.steps.advance()

    def _auxiliary_loss(
        self,
        out: SpeechMoEOutput,
        text: Tensor | None,
        text_lengths: Tensor | None,
        stats: dict[str, Any],
    ) -> Tensor:
        """Weighted sum of the routing losses and of the embedding network's CTC loss of a text."""
        loss = out.encoder_out.new_zeros(())
        if self.embedding_ctc is not None:
            assert out.embedding_out is not None
            assert text is not None
            assert text_lengths is not None
            loss_embedding = ctc_loss(
                self.embedding_ctc, out.embedding_out, out.encoder_out_lens, text, text_lengths
            )
            stats["loss_embedding"] = loss_embedding.detach()
            loss = loss + self.weights.gamma * loss_embedding
        if out.routing:
            mask = valid_frames(out.encoder_out_lens, out.routing[0].probs.size(1))
            frames_per_utterance = mask.sum() / mask.size(0)
            loss = loss + frames_per_utterance * self._routing_loss(out.routing, mask, stats)
            stats.update(routing_stats(out.routing, mask, self.ranks))
        elif any(layer.router is not None for layer in self._moe_layers()):
            # Stochastic depth left all of them out. Processes average what they report, so that
            # all must report the same names; ESPnet leaves out what is not a number.
            stats.update(self._no_stats(loss))
        return loss

    def _no_stats(self, loss: Tensor) -> dict[str, Tensor]:
        layer = next(layer for layer in self._moe_layers() if layer.router is not None)
        probs = loss.new_full((1, 1, layer.num_experts), math.nan)
        indices = torch.zeros((1, 1, layer.top_k), dtype=torch.int64, device=loss.device)
        mask = torch.ones((1, 1), dtype=torch.bool, device=loss.device)
        routing = (Routing(probs, indices, probs),)
        stats: dict[str, Tensor] = {}
        self._routing_loss(routing, mask, stats)
        stats |= routing_stats(routing, mask)
        return {name: torch.full_like(value, math.nan) for name, value in stats.items()}

    def _routing_loss(
        self, routing: tuple[Routing, ...], mask: Tensor, stats: dict[str, Any]
    ) -> Tensor:
        probs = torch.stack([layer.probs for layer in routing])
        sparsity = sparsity_l1_loss(probs, mask, self.ranks).sum()
        importance = mean_importance_loss(probs, mask, self.ranks).sum()
        stats["loss_sparsity"] = sparsity.detach()
        stats["loss_importance"] = importance.detach()
        loss = self._weight("alpha") * sparsity + self._weight("beta") * importance
        if self.weights.load_balance:
            indices = torch.stack([layer.indices for layer in routing])
            balance = switch_load_balance_loss(probs, indices, mask, self.ranks).sum()
            stats["loss_load_balance"] = balance.detach()
            loss = loss + self.weights.load_balance * balance
        if self.weights.router_z:
            logits = torch.stack([layer.logits for layer in routing])
            z_loss = router_z_loss(logits, mask, self.ranks).sum()
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
