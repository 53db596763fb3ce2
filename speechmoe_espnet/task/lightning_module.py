"""ESPnet3's Lightning module, with rates and clipping of their own for routers and experts."""

import math
from typing import Any

import torch
from espnet3.components.modeling.lightning_module import ESPnetLightningModule
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from speechmoe_espnet.espnet.clipping import clip_groups
from speechmoe_espnet.espnet.model import SpeechMoEASRModel
from speechmoe_espnet.espnet.option_effects import OF_OPTIMIZER
from speechmoe_espnet.espnet.parameter_groups import ScaledGroup, scale_rates, scaled_groups
from speechmoe_espnet.task.training_checks import check_training


class SpeechMoELightningModule(ESPnetLightningModule):
    """ESPnet3's module; what it adds it does for models of ours alone.

    `router_lr_scale` and `expert_lr_scale` make parameter groups of one optimizer, which loggers
    show as `rest`, `routers` and `experts`. With `clip_by_group`, `trainer: gradient_clip_val`
    limits each group on its own.

    Args:
        model: The model.
        config: Training configuration of ESPnet3.

    Raises:
        ValueError: An option of the configuration would be ignored, or would undo another.
    """

    def __init__(self, model: nn.Module, config: DictConfig) -> None:
        check_training(model, config)
        super().__init__(model, config)

    def configure_optimizers(self) -> dict[str, Any]:
        """Build ESPnet3's optimizer and scheduler, with groups where the model asks for them.

        Raises:
            ValueError: The scheduler sets one rate for all groups, or an option of model_conf would
                have no effect.
        """
        configured: dict[str, Any] = super().configure_optimizers()
        model = self.model
        if not isinstance(model, SpeechMoEASRModel):
            return configured
        model.check_options()
        model.effects.applied(*OF_OPTIMIZER)
        groups = scaled_groups(model, model.router_lr_scale, model.expert_lr_scale)
        if len(groups) == 1:
            return configured
        optimizer = _instantiate(
            self.config.optimizer,
            [{"params": group.parameters, "name": group.name} for group in groups],
        )
        scale_rates(optimizer, groups)
        scheduler = _instantiate(self.config.scheduler, optimizer=optimizer)
        _check_rates(optimizer, groups, self.config.scheduler)
        settings = configured["lr_scheduler"] | {"scheduler": scheduler}
        return {"optimizer": optimizer, "lr_scheduler": settings}

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip all gradients together, as Lightning does, or group by group."""
        model = self.model
        if isinstance(model, SpeechMoEASRModel) and model.clip_by_group:
            assert gradient_clip_val
            clip_groups(model, gradient_clip_val)
        else:
            super().configure_gradient_clipping(
                optimizer, gradient_clip_val, gradient_clip_algorithm
            )


def _instantiate(config: DictConfig, *args: Any, **kwargs: Any) -> Any:
    return instantiate(OmegaConf.to_container(config, resolve=True), *args, **kwargs)


def _check_rates(
    optimizer: torch.optim.Optimizer, groups: list[ScaledGroup], scheduler: DictConfig
) -> None:
    """Refuse a scheduler that set the groups to one rate when it was built."""
    base = optimizer.param_groups[0]["lr"]
    for settings, group in zip(optimizer.param_groups, groups, strict=True):
        if not math.isclose(settings["lr"], group.scale * base, rel_tol=1e-6):
            raise ValueError(
                f"model_conf: {group.name[:-1]}_lr_scale {group.scale} would be undone by "
                f"scheduler: {scheduler.get('_target_')}, which gives {group.name} the rate "
                f"{settings['lr']:g} where the rest has {base:g}; use a scheduler that keeps "
                "group rates, for instance espnet2.schedulers.tristage_lr.TristageLR"
            )
