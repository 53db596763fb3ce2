"""Parameters and FLOPs of a model, for comparing systems at equal cost.

Only what recognition runs is counted: frontend and normalisation, encoder and CTC head, on one
utterance, in evaluation. A multiply-add is 2 FLOPs; only matrix products,
convolutions and attention count. MoE layers are counted with the reference loop over experts: the
cost is that of the router and the chosen experts, whatever the backend.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

FRAMES_PER_SECOND = 100


@dataclass(frozen=True)
class Complexity:
    """Cost of a model.

    Attributes:
        params_total: Number of all parameters, including those that only training uses.
        params_active: The same with `top_k` instead of all experts of each MoE layer.
        flops_per_second_of_audio: FLOPs of recognition, divided by the duration of the utterance
            (with self-attention, the value grows with the duration).
        flops_without_embedding_network: The same without `encoder.embedding`; equal if the model
            has none.
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
        model: An ESPnet ASR model with a CTC head. Its mode and the random state are restored.
        seconds: Duration of the utterance in seconds.
        num_bins: Size of its features, with 10 ms per frame; None if it takes audio.
        sample_rate: Sample rate in Hz, for a model that takes audio.

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
    # torch's counter does not know the fused attention of a CPU, but the products it consists of.
    with (
        _as_recognised(model),
        torch.inference_mode(),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
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
    """Recognition as a module, so that the counter reports the model's own module paths."""

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
    """Temporarily set evaluation mode and the reference backend of the experts."""
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
    """Yield each MoE layer (`num_experts`, `top_k`) with its stacked `experts`."""
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
