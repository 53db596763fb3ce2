"""Kaldi's compressed matrices, written and read fast.

The bytes equal kaldiio's, and the values read back equal omniio's. Matrices of less than five
rows are written as Kaldi writes them, because kaldiio's bytes then depend on the machine.

Kaldi's kSpeechFeature stores four quantiles of each column in two bytes each. A value is one byte:
its position between two quantiles. kaldiio partitions columns that are scattered in memory and
chooses each value from three candidates. Here each column is contiguous and sorted, and a byte is
the sum of three saturating steps.
"""

import struct

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float32]

_HEADER = struct.Struct("<ffii")
_TOP = 65535.0
_ROUNDING = 0.499
# First byte of each interval between quantiles, the byte after it, and the length of one step.
_STRETCHES = ((0, 65, 1 / 64), (65, 193, 1 / 128), (193, 256, 1 / 63))
_BYTES = tuple(
    np.arange(first, last, dtype=np.float32) - offset
    for (first, last, _), offset in zip(_STRETCHES, (0, 64, 192), strict=True)
)


def compressed_matrix(features: Floats) -> bytes:
    """Compress one matrix as Kaldi's and kaldiio's compression method 2 does.

    Args:
        features: (rows, columns) float32, finite, at least one of both.

    Returns:
        The bytes that follow the utterance id in an ark file.

    Raises:
        ValueError: The matrix has another type or shape, no values, or values that are not finite.
    """
    if features.ndim != 2 or not features.size or features.dtype != np.float32:
        raise ValueError(
            f"expected a float32 matrix with values to compress, got {features.dtype} of shape "
            f"{features.shape}"
        )
    columns = np.ascontiguousarray(features.T)
    least, greatest = features.min(), features.max()
    if not (np.isfinite(least) and np.isfinite(greatest)):
        raise ValueError("has values that are not finite")
    if least == greatest:
        greatest = np.float32(least + (1.0 + abs(least)))
    width = greatest - least
    header = _HEADER.pack(least, width, *features.shape)
    quantiles = _from_two_bytes(_quantile_steps(columns, least, width), least, width)
    return b"".join(
        (
            b"\0BCM ",
            header,
            _to_two_bytes(quantiles, least, width).tobytes(),
            _to_bytes(columns, quantiles).tobytes(),
        )
    )


def _quantile_steps(columns: Floats, least: np.float32, width: np.float32) -> NDArray[np.uint16]:
    """Find minimum, two quartiles and maximum of each column: (columns, 4), all different."""
    rows = columns.shape[1]
    ordered = np.sort(columns, axis=1)
    if rows >= 5:
        ordered = ordered[:, [0, rows // 4, 3 * (rows // 4), rows - 1]]
    steps = np.zeros((len(columns), 4), np.uint16)
    steps[:, : ordered.shape[1]] = _to_two_bytes(ordered, least, width)
    np.minimum(steps[:, 0], 65532, out=steps[:, 0])
    for quantile, limit in ((1, 65533), (2, 65534), (3, 65535)):
        above = np.maximum(steps[:, quantile], steps[:, quantile - 1] + 1)
        np.minimum(above, limit, out=steps[:, quantile])
    return steps


def _to_two_bytes(values: Floats, least: np.float32, width: np.float32) -> NDArray[np.uint16]:
    return ((values - least) / width * _TOP + _ROUNDING).astype("<u2")


def _from_two_bytes(steps: NDArray[np.uint16], least: np.float32, width: np.float32) -> Floats:
    return least + steps.astype(np.float32) * width / _TOP


def _to_bytes(columns: Floats, quantiles: Floats) -> NDArray[np.uint8]:
    """Encode the position of each value: 0 to 64, 64 to 192 and 192 to 255 between quantiles.

    A value outside of an interval is clamped to the interval's end, so the three positions add
    up. The inner ends 64 and 192 are counted twice; their sum, 256, vanishes in a byte.
    """
    total = np.zeros(columns.shape, np.uint8)
    scratch = np.empty_like(columns)
    # Quantiles of nearly constant values may be equal; kaldiio's bytes are undefined there.
    widths = np.maximum(np.diff(quantiles, axis=1), np.finfo(np.float32).tiny)
    for stretch, (low, high) in enumerate(((0, 64), (64, 192), (192, 255))):
        begin = quantiles[:, stretch, None]
        np.subtract(columns, begin, out=scratch)
        with np.errstate(over="ignore"):
            scratch /= widths[:, stretch, None]
        scratch *= high - low
        scratch += low + 0.5
        np.clip(scratch, low, high, out=scratch)
        total += scratch.astype(np.uint8)
    return total


def decompressed_matrix(payload: bytes | memoryview) -> Floats:
    """Decompress one matrix that was compressed with method 2.

    The 256 values of each column are computed once and looked up.

    Args:
        payload: What follows `\\0BCM `: header, quantiles and bytes, all little-endian.

    Returns:
        (rows, columns) float32.

    Raises:
        ValueError: The payload is too short, or says that it is empty.
    """
    if len(payload) < _HEADER.size:
        raise ValueError(f"a compressed matrix of {len(payload)} bytes has no header")
    least, width, rows, columns = _HEADER.unpack_from(payload)
    if rows < 1 or columns < 1:
        raise ValueError(f"a compressed matrix of {rows} rows and {columns} columns")
    if len(payload) < _HEADER.size + columns * (8 + rows):
        raise ValueError(
            f"a compressed matrix of {rows} rows and {columns} columns takes "
            f"{_HEADER.size + columns * (8 + rows)} bytes, got {len(payload)}"
        )
    steps = np.frombuffer(payload, "<u2", 4 * columns, _HEADER.size).reshape(columns, 4)
    # Values that are not finite are for the caller to refuse.
    with np.errstate(over="ignore", invalid="ignore"):
        quantiles = np.float32(least) + np.float32(width) * steps.astype(np.float32) / np.float32(
            _TOP
        )
        meanings = np.empty((columns, 256), np.float32)
        for stretch, (first, last, part) in enumerate(_STRETCHES):
            begin = quantiles[:, stretch, None]
            values = meanings[:, first:last]
            np.multiply(quantiles[:, stretch + 1, None] - begin, _BYTES[stretch], out=values)
            values *= part
            values += begin
    data = np.frombuffer(payload, np.uint8, columns * rows, _HEADER.size + 8 * columns)
    places = data.reshape(columns, rows).T.astype(np.intp, order="C")
    places += 256 * np.arange(columns)
    # No index is out of range; "clip" skips the check.
    return meanings.reshape(-1).take(places, mode="clip")
