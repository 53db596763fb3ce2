"""Options shared by the encoders, checked where they are read.

A YAML key that nobody reads is an error: nested `*_conf` dictionaries become dataclasses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class MoEOptions:
    """How the feed-forward layers of an encoder route.

    Attributes:
        num_experts: E; 1 is the static twin.
        embedding_size: Width of the shared embedding that the routers see; 0 for none.
        top_k: Experts per frame.
        router: "speechmoe" or "switch".
        router_scale: "paper" or "straight_through", see MoEFeedForward.
        backend: "auto", "fused", "grouped_mm" or "loop", see moe.Experts.
        routing_warmup: "top_2" or "soft", see MoEFeedForward.
        routing_warmup_steps: Training forwards until routing is that of top_k; 0 for at once.
        router_noise: Width of the noise on routers in training; 0 for none.
        router_noise_type: "gaussian" or "jitter", see moe.Router.
        expert_dropout_rate: Dropout inside the experts; None for that of the encoder. A static
            layer keeps the encoder's.
        blocks: Numbers, from 1, of the blocks with experts; the others have the static layer.
            None for all.
    """

    num_experts: int = 1
    embedding_size: int = 0
    top_k: int = 1
    router: str = "speechmoe"
    router_scale: str = "paper"
    backend: str = "auto"
    routing_warmup: str = "top_2"
    routing_warmup_steps: int = 0
    router_noise: float = 0.0
    router_noise_type: str = "gaussian"
    expert_dropout_rate: float | None = None
    blocks: Sequence[int] | None = None

    def of_block(self, number: int) -> "MoEOptions":
        """Options of one block.

        Args:
            number: Its number, from 1.
        """
        if self.blocks is None or number in self.blocks:
            return self
        return replace(self, num_experts=1, top_k=1)

    def layer_arguments(self, dropout_rate: float) -> dict[str, Any]:
        """Arguments of MoEFeedForward.

        Args:
            dropout_rate: The encoder's dropout.
        """
        arguments = asdict(self)
        own_rate = arguments.pop("expert_dropout_rate")
        arguments.pop("blocks")
        has_own = own_rate is not None and self.num_experts > 1
        return {**arguments, "dropout_rate": own_rate if has_own else dropout_rate}


def from_conf[T](options: type[T], conf: Mapping[str, Any] | None, name: str) -> T:
    """Build a dataclass from a YAML mapping.

    Args:
        options: The dataclass.
        conf: The mapping; None for all defaults.
        name: The mapping's name in the YAML file.

    Raises:
        ValueError: Where a key is not a field of the dataclass.
    """
    conf = {} if conf is None else dict(conf)
    allowed = [field.name for field in fields(options)]  # type: ignore[arg-type]
    unknown = sorted(set(conf) - set(allowed))
    if unknown:
        raise ValueError(f"{name}: unknown key {unknown[0]!r}; allowed: {', '.join(allowed)}")
    return options(**conf)


def check_num_blocks(num_blocks: int) -> None:
    """Raise ValueError for a backbone without blocks."""
    if num_blocks < 1:
        raise ValueError(f"num_blocks: {num_blocks} is less than 1")


def check_moe_blocks(moe_blocks: Sequence[int] | None, num_blocks: int) -> None:
    """Raise ValueError where blocks with experts are none, or not those of the backbone."""
    if moe_blocks is None:
        return
    numbers = set(moe_blocks) if isinstance(moe_blocks, Sequence) else set()
    if not numbers or not numbers <= set(range(1, num_blocks + 1)):
        raise ValueError(
            f"moe_blocks: expected a list of blocks, each 1 to num_blocks ({num_blocks}), "
            f"got {moe_blocks}"
        )


def check_attention_heads(output_size: int, attention_heads: int) -> None:
    """Raise ValueError where heads do not divide the width."""
    if output_size % attention_heads:
        raise ValueError(
            f"output_size: {output_size} is not a multiple of attention_heads ({attention_heads})"
        )
