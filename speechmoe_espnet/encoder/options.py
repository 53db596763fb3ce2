"""Options of the encoders, checked where they are read.

Nested `*_conf` dictionaries become dataclasses. An unknown key is an error.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, cast

from speechmoe_espnet.moe import MoEOptions
from speechmoe_espnet.moe.routing_options import check_count, check_rate

MOE_KEYS = tuple(field.name for field in fields(MoEOptions))


def read_moe_conf(
    encoder: type, moe_conf: Mapping[str, Any] | None, flat: Mapping[str, Any], num_blocks: int
) -> MoEOptions:
    """Read the routing options of an encoder; flat keys are read with one warning.

    Args:
        encoder: The encoder's class, for messages.
        moe_conf: The encoder's `moe_conf`; None for all defaults.
        flat: Keyword arguments that the encoder does not name: keys of `moe_conf` as older
            configurations write them.
        num_blocks: Blocks of the encoder.

    Raises:
        TypeError: Where a key is neither an argument of the encoder nor one of `moe_conf`.
        ValueError: Where a key of `moe_conf` is unknown, out of range, or given twice.
    """
    unknown = sorted(set(flat) - set(MOE_KEYS))
    if unknown:
        raise TypeError(f"{encoder.__name__} got an unexpected keyword argument {unknown[0]!r}")
    conf = with_nested_routing({"moe_conf": moe_conf, **flat})
    options = from_conf(MoEOptions, conf["moe_conf"], "moe_conf")
    options.check_blocks(num_blocks)
    if flat:
        written = (
            f"{key}: {'null' if value is None else value}"
            for key, value in conf["moe_conf"].items()
        )
        logging.warning(
            "encoder_conf: routing keys outside moe_conf are still read; "
            f"write moe_conf: {{{', '.join(written)}}}"
        )
    return options


def with_nested_routing(encoder_conf: Mapping[str, Any]) -> dict[str, Any]:
    """Move the routing keys of an encoder_conf into its moe_conf.

    Args:
        encoder_conf: Options of an encoder, with routing keys in `moe_conf`, outside it, or both.

    Returns:
        A copy with all routing keys in `moe_conf`; an equal copy where none is outside.

    Raises:
        ValueError: Where a key is given in both places, or moe_conf is not a mapping.
    """
    conf = dict(encoder_conf)
    flat = {key: conf.pop(key) for key in MOE_KEYS if key in conf}
    if not flat:
        return conf
    nested = _mapping(conf.get("moe_conf"), "moe_conf")
    twice = sorted(set(flat) & set(nested))
    if twice:
        key = twice[0]
        raise ValueError(
            f"encoder_conf: {key} is given twice: {flat[key]!r}, and {nested[key]!r} in moe_conf; "
            f"keep the one in moe_conf (on a command line: --encoder_conf moe_conf.{key}=VALUE)"
        )
    return {**conf, "moe_conf": {**nested, **flat}}


def from_conf[T](options: type[T], conf: Mapping[str, Any] | None, name: str) -> T:
    """Build a dataclass from a YAML mapping.

    Args:
        options: The dataclass.
        conf: The mapping; None for all defaults.
        name: The mapping's name in the YAML file.

    Raises:
        ValueError: Where it is not a mapping, or a key is not a field of the dataclass.
    """
    conf = _mapping(conf, name)
    allowed = [field.name for field in fields(options)]  # type: ignore[arg-type]
    unknown = sorted(set(conf) - set(allowed))
    if unknown:
        raise ValueError(f"{name}: unknown key {unknown[0]!r}; allowed: {', '.join(allowed)}")
    return options(**conf)


def _mapping(conf: object, name: str) -> dict[str, Any]:
    if conf is None:
        return {}
    if not isinstance(conf, Mapping):
        raise ValueError(f"{name}: expected a mapping, got {conf!r}")
    return dict(conf)


LIMITS: Mapping[str, tuple[int, int]] = {
    "output_size": (1, 16384),
    "linear_units": (1, 131072),
    "num_blocks": (1, 1000),
    "attention_heads": (1, 1024),
    "attention_every": (0, 1000),
    "cnn_module_kernel": (1, 1001),
    "look_back": (0, 1000),
    "look_ahead": (0, 1000),
    "look_back_stride": (1, 1000),
    "look_ahead_stride": (1, 1000),
    "stack": (1, 1000),
    "subsampling": (1, 1000),
}
"""Least and greatest value of whole numbers, far beyond what anybody trains."""


def check_sizes(options: object) -> None:
    """Check the numbers of a dataclass: those of LIMITS, and dropout rates.

    Raises:
        ValueError: Naming the option, what it got and what is allowed.
    """
    for field in fields(options):  # type: ignore[arg-type]
        value = getattr(options, field.name)
        if field.name in LIMITS:
            check_count(field.name, value, *LIMITS[field.name])
        elif field.name.endswith("dropout_rate"):
            check_rate(field.name, value)


def check_attention_heads(output_size: int, attention_heads: int) -> None:
    """Raise ValueError where heads do not divide the width."""
    if output_size % attention_heads:
        raise ValueError(
            f"output_size: {output_size} is not a multiple of attention_heads ({attention_heads})"
        )


def block_rates(rate: float | Sequence[float], num_blocks: int) -> tuple[float, ...]:
    """Rates of stochastic depth (arXiv 1603.09382), one a block.

    Args:
        rate: One for all blocks, or a list of one for each.
        num_blocks: Blocks.

    Raises:
        ValueError: Where a rate is not in [0, 1), or there are not as many as blocks.
    """
    several = isinstance(rate, Sequence) and not isinstance(rate, str)
    rates: tuple[Any, ...] = tuple(cast(Any, rate)) if several else (rate,) * num_blocks
    if len(rates) != num_blocks:
        raise ValueError(
            f"stochastic_depth_rate: {len(rates)} rates for {num_blocks} blocks; "
            "give one for all, or one for each"
        )
    for value in rates:
        check_rate("stochastic_depth_rate", value)
    return rates


def check_interctc(layers: Sequence[int], num_blocks: int, conditioning: bool) -> tuple[int, ...]:
    """Numbers of the blocks of intermediate CTC, in their order.

    Args:
        layers: The encoder's interctc_layer_idx.
        num_blocks: Blocks.
        conditioning: The encoder's interctc_use_conditioning.

    Raises:
        ValueError: Where a number is no block below the last one, or none is given to condition on.
    """
    if not isinstance(layers, Sequence) or isinstance(layers, str):
        raise ValueError(f"interctc_layer_idx: expected a list of blocks, got {layers!r}")
    for number in layers:
        check_count("interctc_layer_idx", number, 1, num_blocks - 1, "the block below the last")
    if conditioning and not layers:
        raise ValueError(
            "interctc_use_conditioning: true needs blocks to condition on; name them in "
            "interctc_layer_idx"
        )
    return tuple(sorted(set(layers)))
