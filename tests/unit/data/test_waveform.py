"""Samples in memory: whatever has a plain meaning is converted, the rest is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.data.waveform import as_waveform

INT16 = st.lists(st.integers(-32768, 32767), min_size=9, max_size=40).map(
    lambda values: np.array([32767, *values], np.int16)
)
TYPES = {
    "int16": lambda samples: samples,
    "int32": lambda samples: samples.astype(np.int32) << 16,
    "16 bits in int32": lambda samples: samples.astype(np.int32),
    "16 bits in int64": lambda samples: samples.astype(np.int64),
    "float32": lambda samples: (samples / 32768).astype(np.float32),
    "float64": lambda samples: samples / 32768,
    "16 bits in float32": lambda samples: samples.astype(np.float32),
    "16 bits in float64, not whole": lambda samples: samples + 0.001,
}
SHAPES = {
    "(n,)": lambda samples: samples,
    "(1, n)": lambda samples: samples[None],
    "(n, 1)": lambda samples: samples[:, None],
    "(n, 2)": lambda samples: np.stack([samples, samples], axis=1),
    "(2, n)": lambda samples: np.stack([samples, samples]),
    "(8, n)": lambda samples: np.stack([samples] * 8),
}
HOLDERS = {
    "array": lambda array: array,
    "tensor": torch.from_numpy,
    "list": lambda array: array.tolist(),
    "strided": lambda array: np.repeat(array, 2, axis=0)[::2],
    "big endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
}


@settings(max_examples=500)
@given(
    samples=INT16,
    kind=st.sampled_from(list(TYPES)),
    shape=st.sampled_from(list(SHAPES)),
    holder=st.sampled_from(list(HOLDERS)),
)
def test_all_forms_of_a_waveform_are_one(samples, kind, shape, holder) -> None:
    array = SHAPES[shape](TYPES[kind](samples))
    if holder == "list" and kind == "int32":
        return  # a list of integers has no width: 32 bits and 16 bits are told by their range
    waveform = as_waveform(HOLDERS[holder](array))
    assert (waveform.dtype, waveform.shape) == (np.float32, samples.shape)
    np.testing.assert_allclose(waveform, samples / 32768, atol=1e-6)


def test_eight_bits_and_half_floats() -> None:
    np.testing.assert_array_equal(as_waveform(np.array([0, 128, 192], np.uint8)), [-1, 0, 0.5])
    np.testing.assert_array_equal(as_waveform(np.array([-128, 64], np.int8)), [-1, 0.5])
    half = torch.tensor([0.5, -0.25])
    for tensor in (half.half(), half.bfloat16(), half.requires_grad_()):
        np.testing.assert_array_equal(as_waveform(tensor), [0.5, -0.25])


def test_channels_are_averaged_and_loud_floats_stay() -> None:
    np.testing.assert_allclose(as_waveform([[0.5, 0.1], [0.0, 0.2], [0.3, 0.1]]), [0.3, 0.1, 0.2])
    np.testing.assert_allclose(as_waveform([0.5, -1.7, 2.5]), [0.5, -1.7, 2.5])
    np.testing.assert_array_equal(as_waveform([1.0, -1.0, 0.0]), [1, -1, 0])


@pytest.mark.parametrize("empty", [[], np.zeros(0), np.zeros((0, 1)), np.zeros((1, 0)), [[]]])
def test_nothing(empty) -> None:
    assert as_waveform(empty).shape == (0,)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.0, np.nan], "sample 1 is not finite"),
        ([[0.0, 0.0], [0.0, np.inf], [0.0, 0.0]], "sample 1 is not finite"),
        ([1e6, 0.5], r"samples go up to 1e\+06; give floats in \[-1, 1\]"),
        ([1 << 40, 0], "a sample of 1099511627776 is beyond 32 bits"),
        ([1 << 80], "got object"),
        (np.zeros(3, np.uint16), "uint16, which has no usual meaning"),
        (np.zeros((9, 9)), "up to 8 channels, got shape"),
        (np.zeros((1, 2, 3)), "got shape"),
        ("text", "got <U4"),
        ([b"ab"], "got"),
        ([None], "got object"),
        (np.zeros(3, bool), "got bool"),
        ([[1.0], [1.0, 2.0]], "rows of different lengths"),
        (np.ma.array([0.1, 0.2], mask=[False, True]), "got a masked array; cut out or fill"),
    ],
)
def test_no_plain_meaning(values, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        as_waveform(values)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("peak", [32769, -32769, 100_000, (1 << 23) - 1, -(1 << 23)])
def test_24_bits_in_wider_integers_are_told(dtype: type, peak: int) -> None:
    values = np.array([0, peak, 5], dtype)
    with pytest.raises(ValueError, match=r"between 16 and 24 bits.*shift .* left by 8"):
        as_waveform(values)
    if abs(peak) >= 100_000:
        np.testing.assert_allclose(as_waveform(values << 8), values / (1 << 23), atol=1e-7)
