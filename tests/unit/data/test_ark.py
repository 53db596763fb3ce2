"""The fast compressed matrices against kaldiio's, byte for byte."""

from io import BytesIO

import kaldiio
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp
from kaldiio.matio import write_array
from numpy.typing import NDArray
from omniio.tools.kaldi import compression

from speechmoe_espnet.data.ark import compressed_matrix, decompressed_matrix

Floats = NDArray[np.float32]


def kaldiio_bytes(features: Floats) -> bytes:
    buffer = BytesIO()
    write_array(buffer, features, compression_method=2)
    return buffer.getvalue()


@given(
    stnp.arrays(
        np.float32,
        st.tuples(st.integers(5, 14), st.integers(1, 12)),
        elements=st.floats(-2000, 2000, width=32) | st.sampled_from([0.0, -15.9423847, 7.0]),
    )
)
@settings(max_examples=400)
@example(np.full((7, 3), -15.9423847, np.float32))
def test_bytes_of_small_matrices(features: Floats) -> None:
    spread = features.max() - features.min()
    assume(spread == 0 or spread > max(1e-20, np.abs(features).max() / 64))
    assert compressed_matrix(features) == kaldiio_bytes(features)


@given(st.integers(5, 700), st.integers(1, 120), st.floats(1e-3, 30), st.integers(0, 2**32))
@settings(max_examples=60)
def test_bytes_of_speechlike_matrices(rows: int, columns: int, spread: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = (8 + spread * rng.standard_normal((rows, columns))).astype(np.float32)
    assert compressed_matrix(features) == kaldiio_bytes(features)
    transposed = np.asfortranarray(features)
    assert compressed_matrix(transposed) == kaldiio_bytes(features)


@given(st.integers(1, 300), st.integers(1, 90), st.floats(1e-3, 30), st.integers(0, 2**32))
@settings(max_examples=60)
def test_decompressed_values(rows: int, columns: int, spread: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = (8 + spread * rng.standard_normal((rows, columns))).astype(np.float32)
    payload = compressed_matrix(features)[len(b"\0BCM ") :]
    got, expected = decompressed_matrix(payload), compression.decompress(payload, "CM")
    assert got.dtype == expected.dtype == np.float32
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, expected)
    ((_, slowly),) = kaldiio.load_ark(BytesIO(b"a " + compressed_matrix(features)))
    np.testing.assert_allclose(got, slowly, atol=1e-5 * (8 + 10 * spread))


@given(st.binary(min_size=256, max_size=256))
def test_every_byte_has_its_value(data: bytes) -> None:
    payload = compressed_matrix(np.float32(np.arange(256)[:, None]))[5:-256] + data
    np.testing.assert_array_equal(
        decompressed_matrix(payload), compression.decompress(payload, "CM")
    )


@pytest.mark.parametrize("kept", [0, 15, 16, 40])
def test_cut_off_payload(kept: int) -> None:
    payload = compressed_matrix(np.zeros((9, 3), np.float32))[5:][:kept]
    with pytest.raises(ValueError, match="a compressed matrix of"):
        decompressed_matrix(payload)


def test_nearly_constant_values_are_kept() -> None:
    features = np.float32([[-16], [-16], [-16], [-16], [-16 + 2**-19], [-16 + 2**-18]])
    ((_, read),) = kaldiio.load_ark(BytesIO(b"a " + compressed_matrix(features)))
    np.testing.assert_allclose(read, features, atol=2**-17)


@given(
    stnp.arrays(
        np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=st.integers(-20, 20)
    )
)
def test_few_rows_are_exact_to_two_bytes(features: Floats) -> None:
    width = max(np.ptp(features), 1 + abs(features[0, 0]))
    ((_, read),) = kaldiio.load_ark(BytesIO(b"a " + compressed_matrix(features)))
    np.testing.assert_allclose(read, features, atol=4.1 * width / 65535)
    np.testing.assert_array_equal(decompressed_matrix(compressed_matrix(features)[5:]), read)


def test_kaldiio_reads_it() -> None:
    features = np.random.default_rng(0).standard_normal((300, 40)).astype(np.float32)
    ark = BytesIO(b"a " + compressed_matrix(features) + b"b " + compressed_matrix(2 * features))
    read = dict(kaldiio.load_ark(ark))
    assert list(read) == ["a", "b"]
    assert np.abs(read["a"] - features).max() < 0.05
    assert np.abs(read["b"] - 2 * features).max() < 0.1


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((0, 40), np.float32), r"got float32 of shape \(0, 40\)"),
        (np.zeros(40, np.float32), r"got float32 of shape \(40,\)"),
        (np.zeros((2, 40)), r"got float64 of shape"),
        (np.float32([[1, np.nan]]), "not finite"),
        (np.float32([[1, np.inf]]), "not finite"),
    ],
)
def test_refused(features: Floats, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compressed_matrix(features)
