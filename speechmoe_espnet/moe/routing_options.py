"""Routing options of MoE layers, each checked once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

ROUTERS = ("speechmoe", "switch")
ROUTER_SCALES = ("paper", "straight_through")
ROUTER_NOISES = ("gaussian", "jitter")
ROUTING_WARMUPS = ("top_2", "soft")
BACKENDS = ("auto", "fused", "grouped_mm", "loop")
MAX_EXPERTS = 4096
MAX_STEPS = 10**9
MAX_NOISE = 100


@dataclass(frozen=True)
class MoEOptions:
    """How the feed-forward layers of an encoder route: the keys of `moe_conf`.

    Attributes:
        num_experts: E; 1 is the dense baseline: one feed-forward network, no router.
        moe_blocks: Numbers, from 1, of the blocks with experts; the other blocks have one dense
            feed-forward network. None for all blocks.
        top_k: K, experts per frame.
        router: "speechmoe" (sees the shared embedding and the layer's input) or "switch" (sees
            the layer's input alone).
        router_scale: Factor g of an expert's output. "paper": g = p. "straight_through":
            g = p / stopgrad(sum of the chosen p). The factors of a frame then add up to 1 in the
            forward pass, with the same gradient direction for the router: this keeps the function
            of an upcycled layer, where g = p scales it down to about K/E.
        expert_backend: "auto", "fused", "grouped_mm" or "loop" (the reference), see Experts.
        routing_warmup: Experts of a training frame until warm-up ends: its two best ("top_2") or
            all ("soft"), with g as router_scale has it. A choice gets a gradient from what it is
            compared with, and every expert learns. Evaluation always uses top_k experts, and so
            do `Routing.indices`.
        routing_warmup_steps: Training forwards (batches) until warm-up ends; 0 for none.
        router_noise: Width of the noise that training adds to routers, see Router; 0 for none.
        router_noise_type: "gaussian" (on logits) or "jitter" (on the router's input).
        expert_dropout_rate: Dropout inside experts; None for that of the encoder. A dense
            network always has that of the encoder.
        expert_parallel: Whether the N processes of a training divide the experts among
            themselves, E/N for each, in place of all experts for each. One process has all.

    Raises:
        ValueError: Where an option is unknown or out of range.
    """

    num_experts: int = 4
    moe_blocks: Sequence[int] | None = None
    top_k: int = 1
    router: str = "speechmoe"
    router_scale: str = "paper"
    expert_backend: str = "auto"
    routing_warmup: str = "top_2"
    routing_warmup_steps: int = 0
    router_noise: float = 0.0
    router_noise_type: str = "gaussian"
    expert_dropout_rate: float | None = None
    expert_parallel: bool = False

    def __post_init__(self) -> None:
        check_count("num_experts", self.num_experts, 1, MAX_EXPERTS)
        check_count("top_k", self.top_k, 1, self.num_experts, "num_experts")
        check_choice("router", self.router, ROUTERS)
        check_choice("router_scale", self.router_scale, ROUTER_SCALES)
        check_choice("expert_backend", self.expert_backend, BACKENDS)
        check_choice("routing_warmup", self.routing_warmup, ROUTING_WARMUPS)
        check_count("routing_warmup_steps", self.routing_warmup_steps, 0, MAX_STEPS)
        check_router_noise(self.router_noise, self.router_noise_type)
        if self.expert_dropout_rate is not None:
            check_rate("expert_dropout_rate", self.expert_dropout_rate)
        if not isinstance(self.expert_parallel, bool):
            raise ValueError(
                f"expert_parallel: expected true or false, got {self.expert_parallel!r}"
            )
        if self.expert_parallel and self.num_experts == 1:
            raise ValueError(
                "expert_parallel: true divides experts, and num_experts is 1; set it to false"
            )

    def check_blocks(self, num_blocks: int) -> None:
        """Check moe_blocks against an encoder.

        Args:
            num_blocks: Blocks of the encoder.

        Raises:
            ValueError: Where moe_blocks is empty or names a block that the encoder lacks.
        """
        if self.moe_blocks is None:
            return
        given = self.moe_blocks if isinstance(self.moe_blocks, list | tuple) else ()
        numbers = {number if type(number) is int else 0 for number in given}
        if not numbers or not numbers <= set(range(1, num_blocks + 1)):
            raise ValueError(
                f"moe_blocks: expected a list of blocks, each 1 to num_blocks ({num_blocks}), "
                f"got {self.moe_blocks}"
            )

    def of_block(self, number: int) -> "MoEOptions":
        """Options of one block.

        Args:
            number: Its number, from 1.
        """
        if self.moe_blocks is None or number in self.moe_blocks:
            return replace(self, moe_blocks=None)
        return replace(self, moe_blocks=None, num_experts=1, top_k=1, expert_parallel=False)

    def dropout_inside(self, dropout_rate: float) -> float:
        """Dropout inside the experts of an encoder with `dropout_rate`."""
        if self.expert_dropout_rate is None or self.num_experts == 1:
            return dropout_rate
        return self.expert_dropout_rate


def check_choice(name: str, value: object, allowed: Collection[str]) -> None:
    """Raise ValueError where a value is not one of those allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}: {value!r} is not one of {list(allowed)}")


def check_count(name: str, value: object, least: int, most: int, most_name: str = "") -> None:
    """Raise ValueError where a value is no whole number from `least` to `most`.

    Args:
        name: Name of the option.
        value: Its value.
        least: Least value.
        most: Greatest value, so that a slip of the finger does not take all memory.
        most_name: Name of the option that `most` comes from.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name}: expected a whole number, got {value!r}")
    if most_name and not least <= value <= most:
        raise ValueError(f"{name}: {value} is not between {least} and {most_name} ({most})")
    if value < least:
        raise ValueError(f"{name}: {value} is less than {least}")
    if value > most:
        raise ValueError(f"{name}: {value} is more than {most}")


def check_number(name: str, value: object, least: float, most: float) -> None:
    """Raise ValueError where a value is no number from `least` to `most`."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{name}: expected a number, got {value!r}")
    if not least <= value <= most:
        raise ValueError(f"{name}: {value} is not in [{least:g}, {most:g}]")


def check_rate(name: str, value: object) -> None:
    """Raise ValueError where a dropout rate is not in [0, 1)."""
    check_number(name, value, 0.0, 1.0)
    if value == 1.0:
        raise ValueError(f"{name}: {value} is not in [0, 1)")


def check_router_noise(noise: float, noise_type: str) -> None:
    """Raise ValueError where the noise is negative or unknown, or a jitter is 1 or more."""
    check_choice("router_noise_type", noise_type, ROUTER_NOISES)
    if isinstance(noise, bool) or not isinstance(noise, int | float) or not noise <= MAX_NOISE:
        raise ValueError(f"router_noise: expected a number of at most {MAX_NOISE}, got {noise!r}")
    if noise < 0 or (noise_type == "jitter" and noise >= 1):
        allowed = "at least 0" if noise_type == "gaussian" else "in [0, 1)"
        raise ValueError(f"router_noise: {noise} is not {allowed} ({noise_type})")


DENSE = MoEOptions(num_experts=1)
"""One feed-forward network without a router, as in the embedding network."""
