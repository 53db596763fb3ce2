"""Reader of Kaldi matrices that runs nothing: known formats alone, and no pipes.

A line of `feats.scp` and the bytes that it points at come from anywhere. kaldiio unpickles matrices
that begin with `PKL`, and Kaldi's readers run a location that ends with `|`; both would run a
stranger's code. Matrices are therefore read here: Kaldi's binary and text formats, nothing else.
"""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.ark import decompressed_matrix
from speechmoe_espnet.data.placeholder import refuse_placeholder_file
from speechmoe_espnet.data.special_file import special_file
from speechmoe_espnet.data.table import check_location

_BINARY = b"\0B"
_COMPRESSED = b"\0BCM "
_GLOBAL_HEADER = 16
_SHOWN_BYTES = 8
MATRIX_MAGICS = (b"\0BFM ", b"\0BDM ", _COMPRESSED, b"\0BCM2 ", b"\0BCM3 ")


def split_location(location: str) -> tuple[str, int]:
    """Split `file.ark:123` into the file and the offset of its bytes, 0 if there is none.

    Raises:
        ValueError: The location is a command or the standard input.
    """
    check_location(location)
    file, colon, offset = location.rpartition(":")
    return (file, int(offset)) if colon and offset.isdecimal() else (location, 0)


def read_matrix(location: str) -> NDArray[np.float32]:
    """Read one matrix.

    Args:
        location: `file.ark:offset`, or a file that holds one matrix.

    Returns:
        (rows, columns) float32, finite, at least one of both.

    Raises:
        OSError: The file cannot be read.
        ValueError: The location is a command or no file, the bytes are not a Kaldi matrix, or a
            value is not finite.
    """
    path, offset = split_location(location)
    if reason := special_file(path):
        raise ValueError(reason)
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if offset >= size:
            refuse_placeholder_file(path)
            raise ValueError(
                f"begins at byte {offset} of a file of {size} bytes: cut, or another one than the "
                f"table was written for; extract the features again"
            )
        file.seek(offset)
        start = file.read(_SHOWN_BYTES)
        file.seek(offset)
        if start.startswith(_COMPRESSED):
            matrix = decompressed_matrix(_compressed_payload(file))
        elif start.startswith(MATRIX_MAGICS) or start.lstrip(b" ").startswith(b"["):
            # Imported here: few archives need it.
            from omniio.tools.kaldi.matio import ReadError, read_object

            try:
                matrix = read_object(file)
            except (ReadError, OverflowError, MemoryError) as error:
                raise ValueError(f"not a whole Kaldi matrix: {error}") from None
            except ValueError:
                raise ValueError(
                    "not a Kaldi matrix: its rows have different lengths, or hold what is no "
                    "number; extract the features again"
                ) from None
        else:
            refuse_placeholder_file(path)
            raise ValueError(
                f"not a Kaldi matrix: its bytes at {offset} are {start!r}, a matrix begins with "
                f"{_BINARY!r} and FM, DM, CM, CM2 or CM3, or with `[`; extract the features again"
            )
    if matrix.ndim == 1 and matrix.size:
        raise ValueError(f"expected features (frames, bins), got a vector of {matrix.size} values")
    if matrix.ndim != 2 or not matrix.size:
        raise ValueError(f"expected features (frames, bins), got the shape {matrix.shape}")
    with np.errstate(over="ignore"):
        features: NDArray[np.float32] = matrix.astype(np.float32, copy=False)
    if not np.isfinite(features).all():
        frame = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
        raise ValueError(f"features of frame {frame} are not finite; extract them again")
    return features


def _compressed_payload(file: BinaryIO) -> bytes:
    file.read(len(_COMPRESSED))
    header = file.read(_GLOBAL_HEADER)
    if len(header) < _GLOBAL_HEADER:
        raise ValueError("not a whole Kaldi matrix: the file ends in its header")
    rows, columns = (int(number) for number in np.frombuffer(header, "<i4", 2, 8))
    if rows < 1 or columns < 1:
        raise ValueError(f"not a Kaldi matrix: {rows} rows and {columns} columns")
    size = columns * (8 + rows)
    left = os.fstat(file.fileno()).st_size - file.tell()
    if size > left:
        raise ValueError(
            f"not a whole Kaldi matrix: {rows} rows and {columns} columns take {size} bytes, "
            f"{left} are left"
        )
    return header + file.read(size)
