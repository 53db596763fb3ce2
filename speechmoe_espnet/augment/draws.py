"""Random draws for a batch, apart from their application, so that a variation can be repeated.

Shapes: B utterances, F mel bins, N masks.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from speechmoe_espnet.augment.power import decay_per_frame
from speechmoe_espnet.augment.variation_options import Range, VariationOptions

# Standard deviation of coloured noise's spectrum around a white one, dB.
NOISE_COLOUR = 10.0
NEPERS_PER_DB = math.log(10.0) / 10.0
# Steepness of the edges of a band, dB an octave, and the most that they take away, dB.
LOW_PASS_SLOPE, HIGH_PASS_SLOPE, DEEPEST = 96.0, 24.0, 60.0


@dataclass(frozen=True)
class ReverbDraws:
    """A room for each utterance: see `power.reverberate`."""

    decay: Tensor
    level: Tensor


@dataclass(frozen=True)
class NoiseDraws:
    """A noise for each utterance: see `power.noise_rows` and `power.add_noise`."""

    speech: Tensor
    shift: Tensor
    offset: Tensor
    spectrum: Tensor
    ratio: Tensor


@dataclass(frozen=True)
class MaskDraws:
    """Masks along one axis (B, N): where they begin and how wide they are, as shares."""

    start: Tensor
    width: Tensor


@dataclass(frozen=True)
class Draws:
    """All draws for a batch; None for a variation that is switched off.

    Attributes:
        speed: Factors of tempo (B,).
        warp: Vocal tract length factors (B,).
        reverb: Rooms.
        noise: Noises.
        response: Added to log energies (B, F): frequency response and level of a channel.
        time_masks: Masks along time.
        freq_masks: Masks along frequency.
    """

    speed: Tensor | None = None
    warp: Tensor | None = None
    reverb: ReverbDraws | None = None
    noise: NoiseDraws | None = None
    response: Tensor | None = None
    time_masks: MaskDraws | None = None
    freq_masks: MaskDraws | None = None

    @property
    def empty(self) -> bool:
        """Whether every variation is switched off."""
        return all(value is None for value in vars(self).values())


def draw(
    options: VariationOptions,
    basis: Tensor,
    centres: Tensor,
    bandwidths: Tensor,
    num_utterances: int,
) -> Draws:
    """Draw a batch's variation from torch's generator of the device of `basis`.

    Args:
        options: Variations and their ranges.
        basis: Smooth curves over the mel bins (K, F): see `mel_axis.smooth_basis`.
        centres: Centres of the mel filters, Hz (F,).
        bandwidths: Bandwidths of the mel filters, Hz (F,).
        num_utterances: B.
    """
    size, device = num_utterances, basis.device
    response = _draw_response(options, basis, centres, size)
    return Draws(
        speed=_uniform(options.speed, size, device) if options.speed else None,
        warp=_uniform(options.warp, size, device) if options.warp else None,
        reverb=_draw_reverb(options, size, device),
        noise=_draw_noise(options, basis, bandwidths, size),
        response=response,
        time_masks=_draw_masks(options.num_time_masks, size, device),
        freq_masks=_draw_masks(options.num_freq_masks, size, device),
    )


def _draw_response(
    options: VariationOptions, basis: Tensor, centres: Tensor, size: int
) -> Tensor | None:
    """Draw what is added to log energies (B, F): smooth response, edges of the band, level."""
    device = basis.device
    parts = []
    if options.channel:
        parts.append(_curves(basis, size) * (options.channel * NEPERS_PER_DB))
    if options.low_pass and options.low_pass_prob:
        edge = _uniform(options.low_pass, size, device).unsqueeze(1)
        loss = LOW_PASS_SLOPE * torch.log2(centres / edge)
        parts.append(_edge(loss, options.low_pass_prob))
    if options.high_pass and options.high_pass_prob:
        edge = _uniform(options.high_pass, size, device).unsqueeze(1)
        loss = HIGH_PASS_SLOPE * torch.log2(edge / centres)
        parts.append(_edge(loss, options.high_pass_prob))
    if options.gain:
        level = (_uniform(options.gain, size, device) * NEPERS_PER_DB).unsqueeze(1)
        parts.append(level.expand(-1, basis.size(1)))
    return sum(parts[1:], start=parts[0]) if parts else None


def _edge(loss: Tensor, prob: float) -> Tensor:
    """Return the response of losses in dB (B, F), for some of the utterances."""
    chosen = torch.rand(len(loss), 1, device=loss.device) < prob
    return -loss.clamp(0.0, DEEPEST) * NEPERS_PER_DB * chosen


def _draw_reverb(options: VariationOptions, size: int, device: torch.device) -> ReverbDraws | None:
    if options.reverb_time is None or not options.reverb_prob:
        return None
    chosen = torch.rand(size, device=device) < options.reverb_prob
    ratio = _uniform(options.reverb_ratio, size, device)
    return ReverbDraws(
        decay=decay_per_frame(_uniform(options.reverb_time, size, device), options.frame_shift),
        level=torch.exp(-NEPERS_PER_DB * ratio) * chosen,
    )


def _draw_noise(
    options: VariationOptions, basis: Tensor, bandwidths: Tensor, size: int
) -> NoiseDraws | None:
    if options.noise_snr is None or not options.noise_prob:
        return None
    device = basis.device
    chosen = torch.rand(size, device=device) < options.noise_prob
    speech = torch.rand(size, device=device) < options.noise_speech_prob
    if size == 1:
        speech = torch.zeros_like(speech)
    colour = torch.exp(_curves(basis, size) * (NOISE_COLOUR * NEPERS_PER_DB))
    snr = _uniform(options.noise_snr, size, device)
    return NoiseDraws(
        speech=speech,
        shift=torch.randint(1, max(size, 2), (size,), device=device),
        offset=torch.rand(size, device=device),
        spectrum=torch.where(speech.unsqueeze(1), 1.0, colour * bandwidths),
        ratio=torch.exp(-NEPERS_PER_DB * snr) * chosen,
    )


def _draw_masks(num_masks: int, size: int, device: torch.device) -> MaskDraws | None:
    if not num_masks:
        return None
    start, width = torch.rand(2, size, num_masks, device=device).unbind()
    return MaskDraws(start, width)


def _curves(basis: Tensor, size: int) -> Tensor:
    return torch.randn(size, len(basis), device=basis.device) @ basis


def _uniform(bounds: Range, size: int, device: torch.device) -> Tensor:
    low, high = bounds
    return (low + (high - low) * torch.rand(size, device=device)).clamp_(low, high)
