"""Reverberation and noise, which add up in power, not in its logarithm.

Shapes: B utterances, T frames, F mel bins.
"""

import math

import numpy as np
import torch
from torch import Tensor

# Frames of the table of fluctuations; a prime, so that it shares no period with anything else.
TABLE_FRAMES = 1021


def decay_per_frame(reverb_time: Tensor, frame_shift: float) -> Tensor:
    """Factor by which a room's power decays from frame to frame.

    Args:
        reverb_time: T60 in seconds.
        frame_shift: Milliseconds.
    """
    return torch.exp(-6.0 * math.log(10.0) * frame_shift / 1000.0 / reverb_time)


def num_doublings(longest_reverb_time: float, frame_shift: float) -> int:
    """Number of passes of `reverberate` after which the rest of the tail is 60 dB down or more."""
    return max(1, math.ceil(math.log2(longest_reverb_time * 1000.0 / frame_shift)))


def reverberate(power: Tensor, decay: Tensor, level: Tensor, doublings: int) -> Tensor:
    """Add an exponentially decaying tail to the power of utterances.

        y_t = (x_t + c (1 - r) sum_{k >= 0} r^k x_{t-1-k}) / (1 + c)

    The sum is a recursion of first order, found for all frames at once: from the sums over n
    frames those over 2 n are one multiplication and addition away. A steady sound keeps its level.

    Args:
        power: (B, T, F), at least 0.
        decay: r (B,), below 1.
        level: c (B,): power of the tail over that of the direct sound; 0 changes nothing.
        doublings: The tail is 2^doublings frames long.

    Returns:
        (B, T, F).
    """
    factor, level, reach = decay.view(-1, 1, 1), level.view(-1, 1, 1), 1
    share = level / (1 + level)
    mixed = power * (1 - share)
    tail, longer = power[:, :-1] * (share * (1 - factor)), torch.empty_like(power[:, :-1])
    for _ in range(doublings):
        if reach >= tail.size(1):
            break
        longer[:, :reach] = tail[:, :reach]
        torch.addcmul(tail[:, reach:], tail[:, :-reach], factor, out=longer[:, reach:])
        tail, longer = longer, tail
        factor, reach = factor.square(), 2 * reach
    mixed[:, 1:] += tail
    return mixed


def fluctuations(bandwidths: Tensor, frame_length: float = 25.0) -> Tensor:
    """Make a table of how steady noise's band powers vary from frame to frame.

    The power of Gaussian noise in a band of W Hz over a window of t seconds follows a gamma
    distribution with about W t degrees: narrow bands vary much, wide ones little. The table is the
    same in every process; the position at which it is read is random.

    Args:
        bandwidths: Bandwidths of the mel filters, Hz (F,).
        frame_length: Milliseconds.

    Returns:
        (TABLE_FRAMES, F), float32, of mean 1 in each band.
    """
    degrees = np.maximum(1.0, bandwidths.double().numpy() * frame_length / 1000.0)
    generator = np.random.default_rng(0)
    table = generator.gamma(degrees, 1.0 / degrees, size=(TABLE_FRAMES, len(degrees)))
    return torch.from_numpy((table / table.mean(axis=0)).astype(np.float32))


def noise_rows(
    lengths: Tensor, num_frames: int, speech: Tensor, shift: Tensor, offset: Tensor
) -> Tensor:
    """Row of the noise of each frame, counted over all utterances followed by the table.

    Args:
        lengths: Valid frames (B,).
        num_frames: T.
        speech: Whether noise is another utterance (B,), bool.
        shift: Which one: (b + shift) mod B, (B,), int64.
        offset: Where in it noise begins, as a share of it (B,); its end is followed by its
            beginning, and padding is never read.

    Returns:
        Row numbers (B, T) below B T + TABLE_FRAMES.
    """
    num_utterances = len(lengths)
    partner = (torch.arange(num_utterances, device=lengths.device) + shift) % num_utterances
    period = torch.where(speech, lengths[partner].clamp(min=1), TABLE_FRAMES)
    first = torch.where(speech, partner * num_frames, num_utterances * num_frames)
    begin = torch.minimum((offset * period).long(), period - 1)
    frames = torch.arange(num_frames, device=lengths.device)
    return first.unsqueeze(1) + (begin.unsqueeze(1) + frames) % period.unsqueeze(1)


def scaled_noise(
    power: Tensor, noise: Tensor, spectrum: Tensor, ratio: Tensor, weights: Tensor
) -> Tensor:
    """Bring noise to a ratio of mean powers.

    Args:
        power: Power of the utterances (B, T, F).
        noise: (B, T, F); changed in place.
        spectrum: Factor of each band of the noise (B, F).
        ratio: Mean power of the noise over that of the utterance (B,).
        weights: Weights of the frames in the means (B, T), sum 1 per utterance, 0 in padding.

    Returns:
        `noise`, to be added.
    """
    weights = weights.unsqueeze(1)
    mean = torch.bmm(weights, power).mean(dim=(1, 2))
    noise_mean = (torch.bmm(weights, noise).squeeze(1) * spectrum).mean(dim=1)
    tiny = torch.finfo(power.dtype).tiny
    gain = ratio * mean / noise_mean.clamp(min=tiny)
    return noise.mul_((gain.unsqueeze(1) * spectrum).unsqueeze(1))
