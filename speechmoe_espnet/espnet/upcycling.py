"""Upcycling by `--init_param`: a trained dense baseline becomes a mixture of experts.

ESPnet's own loading drops tensors whose shape differs (with a warning) and leaves tensors that
the file lacks at their random values (without one). Either would silently lose a trained function,
so this module loads all models.
"""

import logging
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from speechmoe_espnet.espnet.auxiliary_losses import AuxiliaryLosses
from speechmoe_espnet.espnet.checkpoint_file import read_state
from speechmoe_espnet.espnet.new_tokens import tokens_beside, with_new_tokens
from speechmoe_espnet.espnet.option_effects import OF_INIT_PARAM
from speechmoe_espnet.espnet.steps import is_count
from speechmoe_espnet.moe import ExpertInit, Experts
from speechmoe_espnet.moe.expert_parallel import whole_shapes
from speechmoe_espnet.moe.fused import Weights
from speechmoe_espnet.moe.router import Router


class InitParam(NamedTuple):
    """ESPnet's `file:src_key:dst_key:exclude,...`; empty strings where a part is absent."""

    path: str
    src_key: str = ""
    dst_key: str = ""
    excludes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, spec: str) -> "InitParam":
        """Read a value of `--init_param`.

        Raises:
            ValueError: Where there are more than four parts.
        """
        parts = spec.split(":")
        if len(parts) > 4:
            raise ValueError(
                f"init_param: {spec!r} has {len(parts)} parts; "
                "expected file[:src_key[:dst_key[:exclude,...]]]"
            )
        path, src_key, dst_key, excludes = (*parts, "", "", "")[:4]
        return cls(path, src_key, dst_key, tuple(key for key in excludes.split(",") if key))


def load_init_param(
    init_param: str, model: nn.Module, ignore_init_mismatch: bool, map_location: str = "cpu"
) -> None:
    """Load pre-trained parameters; takes the place of ESPnet's load_pretrained_model.

    A feed-forward layer with one expert in the file fills every expert of the model. With
    `router_scale: straight_through` the outputs at step 0 are then those of the dense baseline,
    unless the model's `expert_init` makes experts differ. Routers that the file lacks keep their
    initial values. Every other tensor must be loaded, unless the value of `--init_param` excludes
    it by name; those of experts also with `ignore_init_mismatch`. The file's count of training
    steps is not loaded: a new training starts from 0.

    Where the config.yaml beside the file lists tokens, and the model has these and more, output
    layers are filled by token (`new_tokens`).

    Args:
        init_param: `file[:src_key[:dst_key[:exclude,...]]]`, as in ESPnet.
        model: The model that receives the parameters.
        ignore_init_mismatch: Whether tensors other than experts may differ, or lack in the file;
            each is named in a warning.
        map_location: Device to load to.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Where an expert or, without ignore_init_mismatch, any other tensor of the
            file has no place in the model, or is not in the file; or the file is damaged.
    """
    spec = InitParam.parse(init_param)
    target = _target(model, spec)
    with whole_shapes(target):
        whole = target.state_dict()
    source, wanted = (
        {key: value for key, value in state.items() if not is_count(key)}
        for state in (_read_source(spec, map_location), whole)
    )
    source = _with_new_tokens(source, wanted, spec, model)
    experts = _expert_tensors(target)
    copied = {
        key for key in experts & set(source) if source[key].size(0) == 1 < wanted[key].size(0)
    }
    source = {
        key: _expand(key, value, wanted[key]) if key in experts else value
        for key, value in source.items()
    }
    _check_experts(init_param, experts, source, spec)
    if isinstance(model, AuxiliaryLosses):
        model.effects.applied(*OF_INIT_PARAM)
        if not model.expert_init.copies:
            source |= _varied(source, copied, model.expert_init)
    fitting = {
        key: value
        for key, value in source.items()
        if key in wanted and value.shape == wanted[key].shape
    }
    misfits = sorted(set(source) - set(fitting))
    if misfits and not ignore_init_mismatch:
        raise ValueError(
            f"init_param: {init_param}: {_some(_describe(misfits, source, wanted))}; "
            "exclude them (file:::name,...) or set ignore_init_mismatch: true"
        )
    for line in _describe(misfits, source, wanted):
        logging.warning(f"init_param: not loaded: {line}")
    kept = sorted(set(wanted) - set(fitting))
    lacking = [key for key in kept if key not in source and not _may_be_new(key, spec, target)]
    if lacking and not ignore_init_mismatch:
        raise ValueError(
            f"init_param: {init_param}: has no {_some(lacking)}, which would keep random values; "
            "exclude them (file:::name,...) or set ignore_init_mismatch: true"
        )
    if kept:
        logging.warning(f"init_param: not in {spec.path}, kept as initialised: {', '.join(kept)}")
    target.load_state_dict(fitting, strict=False)
    logging.info(f"init_param: loaded {len(fitting)} tensors from {spec.path}")


def _read_source(spec: InitParam, map_location: str) -> dict[str, Tensor]:
    """State of the file under src_key, without what is excluded."""
    state = read_state(spec.path, map_location)
    state = {key: value for key, value in state.items() if not key.startswith(spec.excludes)}
    if not spec.src_key:
        return dict(state)
    prefix = spec.src_key + "."
    return {key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)}


def _with_new_tokens(
    source: dict[str, Tensor], wanted: Mapping[str, Tensor], spec: InitParam, model: nn.Module
) -> dict[str, Tensor]:
    """Fill output layers by token where the model has all tokens of the file and more."""
    new = getattr(model, "token_list", None)
    old = tokens_beside(spec.path) if new is not None else None
    if new is None or old is None or not set(old) < set(new):
        return source
    logging.info(f"init_param: {len(new) - len(old)} new tokens begin as the old ones like them")
    return with_new_tokens(source, wanted, old, new)


def _target(model: nn.Module, spec: InitParam) -> nn.Module:
    try:
        return model.get_submodule(spec.dst_key)
    except AttributeError as error:
        raise ValueError(f"init_param: the model has no {spec.dst_key} ({error})") from None


def _may_be_new(key: str, spec: InitParam, target: nn.Module) -> bool:
    """Whether a tensor that the file lacks may keep its initial values: excluded, or a router's."""
    prefix = f"{spec.src_key}." if spec.src_key else ""
    if spec.excludes and (prefix + key).startswith(spec.excludes):
        return True
    return isinstance(target.get_submodule(key.rpartition(".")[0]), Router)


def _expert_tensors(target: nn.Module) -> set[str]:
    """Names of the tensors of experts, dense layers included."""
    return {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in target.named_modules()
        if isinstance(module, Experts)
        for name, _ in module.named_parameters(recurse=False)
    }


def _expand(key: str, value: Tensor, wanted: Tensor) -> Tensor:
    """Repeat the one expert of a dense layer for every expert of the model."""
    if value.dim() == wanted.dim() and value.size(0) == 1 and value.shape[1:] == wanted.shape[1:]:
        return value.expand_as(wanted).contiguous()
    if value.shape != wanted.shape:
        raise ValueError(
            f"init_param: {key}: cannot make {tuple(wanted.shape)} of {tuple(value.shape)}: "
            "experts are loaded one to one, or from a dense baseline of the same width"
        )
    return value


def _varied(source: Mapping[str, Tensor], copied: set[str], init: ExpertInit) -> dict[str, Tensor]:
    """Copied tensors, changed layer by layer so that experts differ."""
    generator = torch.Generator().manual_seed(init.seed)
    varied: dict[str, Tensor] = {}
    for layer in sorted({key[: key.rfind(".") + 1] for key in copied}):
        names = [layer + name for name in Weights._fields]
        if missing := [name for name in names if name not in source]:
            raise ValueError(
                f"init_param: expert_init_noise and expert_init_redraw change whole experts, but "
                f"{missing[0]} is excluded; exclude {layer.rstrip('.')} or none of it"
            )
        varied |= zip(
            names, init.vary(Weights(*(source[name] for name in names)), generator), strict=True
        )
    logging.info(f"init_param: experts of {len(varied) // len(Weights._fields)} layers: {init}")
    return varied


def _check_experts(
    init_param: str, experts: set[str], source: Mapping[str, Tensor], spec: InitParam
) -> None:
    prefix = f"{spec.src_key}." if spec.src_key else ""
    missing = sorted(
        key
        for key in experts - set(source)
        if not (spec.excludes and (prefix + key).startswith(spec.excludes))
    )
    if missing:
        raise ValueError(
            f"init_param: {init_param}: has no {_some(missing)}; these feed-forward layers would "
            "keep random values. Use a dense baseline of the same architecture"
        )


def _describe(
    keys: list[str], source: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> list[str]:
    return [
        f"{key}: {tuple(source[key].shape)} in the file, "
        + (f"{tuple(wanted[key].shape)} in the model" if key in wanted else "not in the model")
        for key in keys
    ]


def _some(names: list[str], limit: int = 5) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
