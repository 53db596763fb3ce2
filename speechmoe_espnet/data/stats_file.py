"""Check of the statistics that ESPnet's global_mvn normalises features with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.array_file import read_arrays
from speechmoe_espnet.data.checksums import check_as_made

FEATS_STATS = "feats_stats.npz"
_CURE = "make the statistics again (stage 4 of a recipe)"
_KEYS = ("count", "sum", "sum_square")


def check_stats(path: Path, num_bins: int | None = None) -> None:
    """Check a file of statistics before a model is built with it.

    Args:
        path: feats_stats.npz of ESPnet, or Kaldi's sums as .npy: (2, F + 1), the count last.
        num_bins: F, where it is known.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, was changed since it was made, or its numbers cannot be
            statistics of features.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; make the statistics (stage 4 of a recipe)")
    check_as_made(path)
    try:
        found = read_arrays(path)
    except ValueError as error:
        raise ValueError(f"{error}; {_CURE}") from None
    try:
        count, total, squares = _numbers(found)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise _damaged(path, f"cannot be read as statistics: {error}") from None
    if total.ndim != 1 or total.shape != squares.shape:
        raise _damaged(path, f"has sums of shapes {total.shape} and {squares.shape}")
    if num_bins is not None and len(total) != num_bins:
        raise _damaged(path, f"is of {len(total)} values a frame, the features have {num_bins}")
    finite = np.isfinite(total).all() and np.isfinite(squares).all() and np.isfinite(count)
    if not finite or count <= 0 or (squares < 0).any():
        raise _damaged(path, f"holds no sums of finite features ({count} frames)")


def _numbers(
    found: Mapping[str, NDArray[Any]],
) -> tuple[float, NDArray[np.floating], NDArray[np.floating]]:
    if "" in found:
        sums = found[""]
        if sums.ndim != 2 or len(sums) != 2 or sums.shape[1] < 1:
            raise ValueError(f"sums of the shape {sums.shape}")
        count, total, squares = sums[0, -1:], sums[0, :-1], sums[1, :-1]
    else:
        count, total, squares = (found[key] for key in _KEYS)
    if count.size != 1 or any(values.dtype.kind not in "iuf" for values in (count, total, squares)):
        raise ValueError("count or sums are no numbers")
    return float(count.reshape(())), total, squares


def _damaged(path: Path, what: str) -> ValueError:
    return ValueError(f"{path}: {what}; {_CURE}")
