import kaldifst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.decode.graph.fst_arrays import ARC, FstArrays

TEXT = "0 1 3 7 0.5\n0 2 1 0\n1 2 2 9 1.25\n2 0.25\n"


def _random(seed, num_states, num_arcs):
    rng = np.random.default_rng(seed)
    final = rng.random(num_states)
    final[rng.random(num_states) < 0.5] = np.inf
    states = rng.integers(num_states, size=(2, num_arcs))
    labels = rng.integers(9, size=(2, num_arcs))
    return FstArrays.from_arcs(
        states[0], labels[0], labels[1], rng.random(num_arcs), states[1], final, 0
    )


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(0, 30))
def test_round_trip_of_files(tmp_path_factory, seed, num_states, num_arcs):
    fst = _random(seed, num_states, num_arcs)
    path = tmp_path_factory.mktemp("fst") / "a.fst"
    fst.write(path)
    again = FstArrays.read(path)
    assert again.start == fst.start
    np.testing.assert_array_equal(again.final, fst.final)
    np.testing.assert_array_equal(again.num_arcs, fst.num_arcs)
    np.testing.assert_array_equal(again.arcs, fst.arcs)
    # OpenFst reads the same file and writes the same arcs, whole.
    through = FstArrays.from_fst(fst.to_fst())
    np.testing.assert_array_equal(through.arcs, fst.arcs)
    np.testing.assert_array_equal(through.final, fst.final)


def test_arcs_equal_those_of_openfst():
    fst = kaldifst.compile(TEXT)
    arrays = FstArrays.from_fst(fst)
    expected = [(1, 0, 0.0, 2), (3, 7, 0.5, 1), (2, 9, 1.25, 2)]
    assert sorted(arrays.arcs.tolist()) == sorted(expected)
    assert arrays.source.tolist() == [0, 0, 1]
    assert arrays.final.tolist() == [np.inf, np.inf, 0.25]
    fields = [line.split() for line in arrays.to_fst().to_str().splitlines()]
    assert sorted(fields) == sorted(line.split() for line in fst.to_str().splitlines())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", "not an OpenFst file, or cut off"),
        (lambda data: b"RIFF" + data[4:], "not an OpenFst file"),
        (lambda data: data[:20], "not an OpenFst file, or cut off"),
        (lambda data: data[:-1], "its header states"),
        (lambda data: data + b"\0", "its header states"),
        (lambda data: data.replace(b"standard", b"log_prob"), "expected a const FST"),
    ],
)
def test_damaged_files_are_named(tmp_path, damage, message):
    path = tmp_path / "a.fst"
    _random(0, 3, 5).write(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        FstArrays.read(path)
    assert str(caught.value).startswith(str(path))


def test_arcs_must_name_existing_states():
    one, two = np.array([0]), np.array([2])
    with pytest.raises(ValueError, match="target: states are 0 to 1"):
        FstArrays.from_arcs(one, one, one, one, two, np.zeros(2))
    assert ARC.itemsize == 16
