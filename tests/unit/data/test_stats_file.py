"""Damaged statistics, generated: one line, or the numbers that were written."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speechmoe_espnet.data.stats_file import check_stats

ANY = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = {
    "count": np.int64(7),
    "sum": np.arange(5, dtype=np.float32),
    "sum_square": np.arange(5, dtype=np.float32) + 9,
}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("stats") / "feats_stats.npz"
    np.savez(path, **NUMBERS)
    check_stats(path, 5)
    return path.read_bytes()


@ANY
@given(place=st.integers(0, 2**30), bits=st.integers(1, 255), cut=st.booleans())
def test_damage_is_one_line_or_changes_nothing(content, tmp_path, place, bits, cut):
    path = tmp_path / "feats_stats.npz"
    damaged = bytearray(content)
    if cut:
        del damaged[place % len(content) :]
    else:
        damaged[place % len(content)] ^= bits
    path.write_bytes(damaged)
    try:
        check_stats(path, 5)
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017
        assert "feats_stats.npz" in str(error)  # noqa: PT017
        return
    found = np.load(path)
    assert all(np.array_equal(found[key], value) for key, value in NUMBERS.items())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"count": 0}, "no sums of finite features"),
        ({"sum": np.array([0, 1, np.nan, 3, 4])}, "no sums of finite features"),
        ({"sum_square": -NUMBERS["sum_square"]}, "no sums of finite features"),
        ({"sum_square": NUMBERS["sum_square"][:3]}, r"sums of shapes \(5,\) and \(3,\)"),
        ({key: value[:4] for key, value in NUMBERS.items() if key != "count"}, "of 4 values"),
        ({"count": np.array(["x"])}, "cannot be read"),
        ({"sum": np.array([None] * 5)}, "cannot be read"),
    ],
)
def test_numbers_that_are_no_statistics_are_refused(tmp_path, changes, said):
    path = tmp_path / "feats_stats.npz"
    np.savez(path, **{**NUMBERS, **changes})
    with pytest.raises(ValueError, match=said):
        check_stats(path, 5)


def test_kaldis_sums(tmp_path):
    path = tmp_path / "stats.npy"
    np.save(path, np.array([[1.0, 2.0, 7.0], [3.0, 4.0, 0.0]]))
    check_stats(path, 2)
    with pytest.raises(FileNotFoundError, match="no file"):
        check_stats(tmp_path / "none.npz")
