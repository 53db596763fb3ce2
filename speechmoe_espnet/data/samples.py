"""Samples of audio: 16-bit integers or floats, one channel or several, of one rate or another."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.fbank_config import MEAN

INT16_SCALE = 32768.0
_RATES = (1_000, 1_000_000)
"""Hz between which a recording can hold speech, and a header can be true."""

type Samples = NDArray[np.float32] | NDArray[np.int16]


LOUD = 8.0
"""A float beyond this is no sample in [-1, 1], not even of a mix that nobody scaled."""
_LOUDEST = 2 * INT16_SCALE


@dataclass(frozen=True)
class FloatScale:
    """What floats of a recording mean: whether they have the range of 16 bits.

    They do if they are whole numbers, some of them beyond -1 to 1, or if some are beyond -8 to 8.

    Attributes:
        is_int16: Whether 32768 stands for 1.
    """

    is_int16: bool

    @classmethod
    def of(cls, blocks: Iterable[NDArray[Any]]) -> "FloatScale":
        """Find the scale of a whole recording; values that are not finite are left out.

        Raises:
            ValueError: Values are beyond 16 bits.
        """
        peak, are_whole = 0.0, True
        for block in blocks:
            is_finite = np.isfinite(block)
            values = block if is_finite.all() else block[is_finite]
            if values.size:
                peak = max(peak, float(values.max()), -float(values.min()))
                are_whole = are_whole and bool((values == np.floor(values)).all())
        if peak > _LOUDEST:
            raise ValueError(
                f"samples go up to {peak:g}; give floats in [-1, 1], or integers of 16 or 32 bits"
            )
        return cls(peak > LOUD or (peak > 1 and are_whole))

    def applied(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Return samples in [-1, 1]; what goes beyond it a little stays."""
        scaled = samples / INT16_SCALE if self.is_int16 else samples
        return scaled.astype(np.float32, copy=False)


def as_float(samples: Samples) -> NDArray[np.float32]:
    """Scale 16-bit samples to [-1, 1) exactly; return floats unchanged."""
    if samples.dtype == np.int16:
        return samples * np.float32(1 / INT16_SCALE)
    return samples.astype(np.float32, copy=False)


def check_rate(rate: int) -> None:
    """Check that a sample rate in Hz may be one of speech.

    Raises:
        ValueError: It is far too low or too high: a damaged header, or another unit than Hz.
    """
    lowest, highest = _RATES
    if not lowest <= rate <= highest:
        raise ValueError(
            f"has a sample rate of {rate} Hz; expected {lowest} to {highest}: its header is "
            f"damaged, or the rate is in kHz"
        )


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """Convert samples (num_samples,) from one sample rate to another, both in Hz."""
    if rate == wanted:
        return samples
    import soxr

    converted: NDArray[np.float32] = soxr.resample(as_float(samples), rate, wanted)
    return converted


def one_channel(samples: Samples, channel: int | str | None) -> Samples:
    """Choose a channel of samples (num_samples, channels), or average them.

    Args:
        samples: As `read_channels` returns them.
        channel: The channel to take, from 1, or "mean"; None: there must be only one.

    Raises:
        ValueError: There are several channels and none is chosen, or there is no such channel.
    """
    count = samples.shape[1]
    if count == 1 and channel in (None, 1, MEAN):
        return samples[:, 0]
    if channel is None:
        raise ValueError(
            f"has {count} channels, 1 is expected; `channel: {MEAN}` or `channel: 1` in the "
            f"configuration of the features chooses"
        )
    if channel == MEAN:
        return mixed(samples)
    if not isinstance(channel, int) or not 1 <= channel <= count:
        raise ValueError(f"has {count} channels, not channel {channel}")
    return samples[:, channel - 1]


def mixed(samples: Samples) -> NDArray[np.float32]:
    """Return the mean (num_samples,) of the channels of samples (num_samples, channels)."""
    mean: NDArray[np.float32] = as_float(samples).mean(axis=1, dtype=np.float32)
    return mean
