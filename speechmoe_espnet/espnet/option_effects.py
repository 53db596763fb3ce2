"""Options of model_conf that somebody else must apply, and options that may do nothing.

The model reads them, but its task builds the optimizer, clips gradients and loads `--init_param`.
Under a task that knows nothing of them, or with an encoder without experts, a training would go on
as if they were not there.
"""

from typing import Any

# The value of each that does nothing, and whether routers or experts are what it changes.
_IDLE: dict[str, Any] = {
    "alpha_schedule": None,
    "beta_schedule": None,
    "load_balance_weight": 0.0,
    "router_z_weight": 0.0,
    "router_lr_scale": 1.0,
    "expert_lr_scale": 1.0,
    "expert_init_noise": 0.0,
    "expert_init_redraw": 0.0,
    "expert_init_seed": 0,
    "clip_by_group": False,
}
OF_OPTIMIZER = ("router_lr_scale", "expert_lr_scale", "clip_by_group")
OF_INIT_PARAM = ("expert_init_noise", "expert_init_redraw", "expert_init_seed")


class OptionEffects:
    """The options of a model that are set, and which of them are applied.

    Args:
        options: Values by name, all of `model_conf` that this module names.

    Attributes:
        checked: Whether a training may go on without looking again.
    """

    def __init__(self, **options: Any) -> None:
        self._set = {name: value for name, value in options.items() if value != _IDLE[name]}
        self._waiting = {name for name in (*OF_OPTIMIZER, *OF_INIT_PARAM) if name in self._set}
        self.checked = False

    def applied(self, *names: str) -> None:
        """Say that options are applied; the task does, or whoever stands in for it."""
        self._waiting -= set(names)

    def check(self, *, has_experts: bool) -> None:
        """Raise ValueError for an option that changes routers or experts where there are none."""
        if self._set and not has_experts:
            name, value = next(iter(self._set.items()))
            raise ValueError(
                f"model_conf: {name} {value} has no effect: the encoder has no routers and one "
                f"expert a block; remove it, or set it to {_written(_IDLE[name])}"
            )
        if "expert_init_seed" in self._set and not {
            "expert_init_noise",
            "expert_init_redraw",
        } & set(self._set):
            raise ValueError(
                f"model_conf: expert_init_seed {self._set['expert_init_seed']} has no "
                "effect without expert_init_noise or expert_init_redraw; set one, or remove it"
            )

    def check_applied(self) -> None:
        """Raise ValueError for an option that nobody has applied when training begins."""
        for name in self._set:
            if name in self._waiting and name in OF_INIT_PARAM:
                raise ValueError(
                    f"model_conf: {name} {self._set[name]} has no effect: no dense model was "
                    f"loaded by --init_param under a task of speechmoe_espnet; do, or remove {name}"
                )
            if name in self._waiting:
                raise ValueError(
                    f"model_conf: {name} {self._set[name]} would be ignored: this training's "
                    "optimizer was not built by a task of speechmoe_espnet; train by its commands "
                    "or by `python -m speechmoe_espnet.run -m espnet2.bin.asr_train`, or set it to "
                    f"{_written(_IDLE[name])}"
                )
        self.checked = True


def _written(value: Any) -> str:
    """A value as YAML writes it."""
    return "null" if value is None else str(value).lower()
