"""Parameters and computation of a model, so that systems are compared at equal cost.

Counted is what recognition runs: frontend and normalisation, encoder and CTC head, on one
utterance, in evaluation. A multiplication with its addition is 2 FLOPs; only matrix products,
convolutions and attention count. An MoE layer is counted with its reference loop over
experts, so that it costs its router and the chosen experts, whatever backend it runs with.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

FRAMES_PER_SECOND = 100


@dataclass(frozen=True)
class Complexity:
    """What a model costs.

    Attributes:
        params_total: All parameters of the model, those that only training uses included.
        params_active: The same with `top_k` instead of all experts of each MoE layer.
        flops_per_second_of_audio: FLOPs of recognition, divided by the seconds measured
            (self-attention makes it grow with the length).
        flops_without_embedding_network: The same without what `encoder.embedding` costs;
            equal where there is none.
    """

    params_total: int
    params_active: int
    flops_per_second_of_audio: float
    flops_without_embedding_network: float


def measure(
    model: torch.nn.Module,
    seconds: float = 10.0,
    *,
    num_bins: int | None,
    sample_rate: int = 16000,
) -> Complexity:
    """Measure a model.

    Args:
        model: An ESPnet ASR model with a CTC head. Its mode and the random state stay as they
            were.
        seconds: Length of the utterance.
        num_bins: Bins of its features of 10 ms, None where it takes audio.
        sample_rate: Hz, where it takes audio.

    Returns:
        Parameters and FLOPs.

    Raises:
        ValueError: `seconds` is not positive.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be positive, got {seconds}")
    device = next(model.parameters()).device
    shape = (
        (1, round(seconds * sample_rate))
        if num_bins is None
        else (1, round(seconds * FRAMES_PER_SECOND), num_bins)
    )
    generator = torch.Generator().manual_seed(0)
    speech = torch.randn(shape, generator=generator).to(device)
    recognition = _Recognition(model)
    with _as_recognised(model), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        recognition(speech, torch.tensor([shape[1]], device=device))
    counts = counter.get_flop_counts()
    total = counter.get_total_flops()
    embedding = sum(counts.get(f"{type(recognition).__name__}.{_EMBEDDING}", {}).values())
    params_total = sum(parameter.numel() for parameter in model.parameters())
    return Complexity(
        params_total=params_total,
        params_active=params_total - _idle_params(model),
        flops_per_second_of_audio=total / seconds,
        flops_without_embedding_network=(total - embedding) / seconds,
    )


class _Recognition(torch.nn.Module):
    """Makes the counter name what runs by the model's own module paths."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, speech: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        model: Any = self.model
        encoder_out = model.encode(speech, lengths)[0]
        if isinstance(encoder_out, tuple):
            encoder_out = encoder_out[0]
        log_probs: torch.Tensor = model.ctc.log_softmax(encoder_out)
        return log_probs


_EMBEDDING = "model.encoder.embedding"


@contextmanager
def _as_recognised(model: torch.nn.Module) -> Iterator[None]:
    """Set evaluation mode and the reference backend of the experts for a while."""
    modes = {module: module.training for module in model.modules()}
    backends = {experts: experts.backend for _, experts in _moe_layers(model)}
    try:
        model.eval()
        for experts in backends:
            experts.backend = "loop"
        yield
    finally:
        for experts, backend in backends.items():
            experts.backend = backend
        for module, training in modes.items():
            module.training = training


def _moe_layers(model: torch.nn.Module) -> Iterator[tuple[Any, Any]]:
    """Each MoE layer (`num_experts`, `top_k`) with its `experts`, whose weights are stacked."""
    for module in model.modules():
        if hasattr(module, "top_k") and isinstance(
            getattr(module, "experts", None), torch.nn.Module
        ):
            yield module, module.experts


def _idle_params(model: torch.nn.Module) -> int:
    idle = 0
    for layer, experts in _moe_layers(model):
        stacked = sum(parameter.numel() for parameter in experts.parameters())
        idle += stacked // layer.num_experts * (layer.num_experts - layer.top_k)
    return idle
