"""Waveforms in memory, as programs have them: one channel of float32 in [-1, 1], or a clear error.

| values | scale |
|---|---|
| int16; int8; uint8 (128 is silence) | their own range |
| int32, int64 | 32 bits; 16 bits if no value is beyond them, as in a list of 16-bit samples |
| float: whole numbers, some beyond -1 to 1; or values beyond -8 to 8 | 16 bits |
| other float | [-1, 1]; what goes beyond it a little stays |

Integers with a peak between 16 and 24 bits are refused: of 24-bit samples, or of quiet 32-bit ones.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.samples import INT16_SCALE, FloatScale, mixed

MAX_CHANNELS = 8
_INT24 = 1 << 23
_KINDS = "int16, int32, uint8 or float samples"


def as_array(values: Any) -> NDArray[Any]:
    """Return an array of numbers from an array, a list or a torch tensor.

    Raises:
        ValueError: The values are no numbers, or rows have different lengths.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (
            values.float() if values.dtype.itemsize == 2 and values.is_floating_point() else values
        ).numpy()
    if np.ma.isMaskedArray(values):
        raise ValueError(
            f"expected {_KINDS}, got a masked array; cut out or fill what is masked, e.g. by "
            f"`.filled(0)`"
        )
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"expected {_KINDS}, got rows of different lengths") from None
    if array.dtype.kind not in "iuf":
        raise ValueError(f"expected {_KINDS}, got {array.dtype}")
    return array


def as_waveform(values: Any) -> NDArray[np.float32]:
    """Convert samples to one channel of float32; several channels are averaged.

    Args:
        values: (num_samples,), (num_samples, channels) or (channels, num_samples), up to 8
            channels: an array, a list or a torch tensor of integers or floats.

    Returns:
        (num_samples,) float32.

    Raises:
        ValueError: The type, shape or range has no plain meaning, or a value is not finite.
    """
    array = _one_axis(as_array(values))
    samples = _scaled(array)
    if not samples.size:
        return samples[:, 0]
    if not np.isfinite(samples).all():
        place = int(np.flatnonzero(~np.isfinite(samples).all(axis=1))[0])
        raise ValueError(f"sample {place} is not finite")
    return mixed(samples)


def _one_axis(array: NDArray[Any]) -> NDArray[Any]:
    """Return (num_samples, channels)."""
    if array.ndim == 1:
        return array[:, None]
    if array.ndim == 2:
        rows, columns = array.shape
        if columns <= MAX_CHANNELS and columns <= max(rows, 1):
            return array if columns else array.reshape(0, 1)
        if rows <= MAX_CHANNELS:
            return array.T if rows else array.reshape(0, 1)
    raise ValueError(
        f"expected samples (num_samples,), or with up to {MAX_CHANNELS} channels, got shape "
        f"{array.shape}"
    )


def _scaled(array: NDArray[Any]) -> NDArray[np.float32]:
    kind, width = array.dtype.kind, array.dtype.itemsize
    if array.dtype == np.uint8:
        return (array.astype(np.float32) - 128) / np.float32(128)
    if kind == "u":
        raise ValueError(f"expected {_KINDS}, got {array.dtype}, which has no usual meaning")
    if kind == "f":
        return FloatScale.of([array]).applied(array)
    scale = float(1 << (8 * width - 1))
    if width > 2 and array.size:
        peak = max(int(array.max()), -int(array.min()))
        if INT16_SCALE < peak <= _INT24:
            raise ValueError(
                f"integers go up to {peak}, between 16 and 24 bits: of 24-bit samples, or of quiet "
                f"32-bit ones; shift 24-bit samples left by 8, or give floats in [-1, 1]"
            )
        scale = INT16_SCALE if peak <= INT16_SCALE else float(1 << 31)
        if peak > scale:
            raise ValueError(f"a sample of {peak} is beyond 32 bits")
    return (array / scale).astype(np.float32)
