"""The reader of every file of numpy's arrays: .npz with its checksums compared, or .npy."""

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.placeholder import refuse_placeholder_file

_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, OSError, TypeError),
    *(SyntaxError, tokenize.TokenError, RuntimeError, MemoryError, OverflowError),
    *(AttributeError, IndexError, LookupError, NameError, AssertionError, UnicodeError),
)
"""What numpy and zipfile raise at damaged headers, which numpy reads as Python's literals."""


def read_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of a file; nothing in it runs.

    Args:
        path: A .npz file, or a .npy file, whose array has the name "".

    Returns:
        Arrays by name. The checksum of each was compared.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such file, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    refuse_placeholder_file(path)
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return {"": found}
            return {name: _array(found[name]) for name in found.files}
    except _DAMAGE as error:
        lines = str(error).splitlines()
        detail = f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
        raise ValueError(f"{path}: cannot be read as arrays, damaged: {detail}") from None


def _array(member: object) -> NDArray[Any]:
    if not isinstance(member, np.ndarray):
        raise TypeError("a member is no array")
    return member
