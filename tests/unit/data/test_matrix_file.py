"""Locations of matrices that are no files, and bytes that are no features, in one plain line."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from speechmoe_espnet.data.feature_stats import _add_up
from speechmoe_espnet.data.matrix_file import read_matrix


def binary(values: list[list[float]], kind: str) -> bytes:
    array = np.array(values, {"FM": "<f4", "DM": "<f8"}[kind])
    sizes = b"".join(b"\4" + struct.pack("<i", size) for size in array.shape)
    return b"\0B" + kind.encode() + b" " + sizes + array.tobytes()


COMPRESSED = b"\0BCM " + struct.pack("<ffii", np.nan, 1.0, 1, 1) + bytes(9)
INF = b"\0BCM " + struct.pack("<ffii", 0.0, np.inf, 1, 1) + b"\1\0\2\0\3\0\4\0" + b"\1"
NOT_FINITE = [
    binary([[1, 2], [3, value]], kind)
    for kind in ("FM", "DM")
    for value in (np.nan, np.inf, -np.inf)
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        *((content, "features of frame 1 are not finite") for content in NOT_FINITE),
        (binary([[1], [1e300]], "DM"), "features of frame 1 are not finite"),
        (b" [\n 1 2\n 3 nan ]\n", "features of frame 1 are not finite"),
        (b" [\n 1 2\n 3 ]\n", "rows have different lengths, or hold what is no number"),
        (b" [ a b ]\n", "rows have different lengths, or hold what is no number"),
        (b" [ nan inf ]\n", "got a vector of 2 values"),
    ],
)
def test_no_features(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ark"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_matrix(str(path))


@pytest.mark.parametrize("offset", [12, 1000, 1 << 62, 1 << 63, 10**30])
def test_an_offset_beyond_the_file(offset: int, tmp_path: Path) -> None:
    (tmp_path / "a.ark").write_bytes(b" [\n 1 2\n ]\n\n")
    with pytest.raises(ValueError, match=f"begins at byte {offset} of a file of 12 bytes"):
        read_matrix(f"{tmp_path}/a.ark:{offset}")


@pytest.mark.parametrize("reader", [read_matrix, lambda location: _add_up([("a", location)])])
def test_a_location_that_is_no_file(reader, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place, name in ((tmp_path / "pipe", "a named pipe"), ("/dev/null", "a device")):
        for offset in ("", ":5"):
            with pytest.raises(ValueError, match=f"is {name}, not a file; write what it gives"):
                reader(f"{place}{offset}")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("content", [COMPRESSED, INF])
def test_statistics_of_features_that_are_not_finite(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.ark").write_bytes(content)
    with pytest.raises(ValueError, match="not finite"):
        _add_up([("utterance", str(tmp_path / "a.ark"))])
