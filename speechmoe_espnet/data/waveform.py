"""Waveforms in memory, as programs have them: one channel of float32 in [-1, 1], or a clear error.

| values | scale |
|---|---|
| int16; int8; uint8 (128 is silence) | their own range |
| int32, int64 | 32 bits; 16 bits if no value is beyond them, as in a list of 16-bit samples |
| float: whole numbers, some beyond -1 to 1; or values beyond -8 to 8 | 16 bits |
| other float | [-1, 1]; what goes beyond it a little stays |
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.samples import mixed

MAX_CHANNELS = 8
_INT16 = 32768.0
_LOUD = 8.0
"""A float beyond this is no sample in [-1, 1], not even of a mix that nobody scaled."""
_LOUDEST = 2 * _INT16
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
        return _scaled_floats(array)
    scale = float(1 << (8 * width - 1))
    if width > 2 and array.size:
        peak = max(int(array.max()), -int(array.min()))
        scale = _INT16 if peak <= _INT16 else float(1 << 31)
        if peak > scale:
            raise ValueError(f"a sample of {peak} is beyond 32 bits")
    return (array / scale).astype(np.float32)


def _scaled_floats(array: NDArray[Any]) -> NDArray[np.float32]:
    finite = array[np.isfinite(array)]
    peak = float(np.abs(finite).max()) if finite.size else 0.0
    if peak > _LOUDEST:
        raise ValueError(
            f"samples go up to {peak:g}; give floats in [-1, 1], or integers of 16 or 32 bits"
        )
    is_int16 = peak > _LOUD or (peak > 1 and bool((finite == np.floor(finite)).all()))
    return (array / _INT16 if is_int16 else array).astype(np.float32)
