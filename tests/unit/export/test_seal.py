"""Digest inside an exported file: any flipped bit is found before the file is parsed."""

import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.export.seal import KEY, UNSEALED, check_seal, sealed


@pytest.fixture(scope="module")
def content() -> bytes:
    value = ir.val("x", ir.DataType.FLOAT, [2])
    node = ir.node("Relu", [value])
    graph = ir.Graph([value], list(node.outputs), nodes=[node], opset_imports={"": 20}, name="g")
    model = ir.Model(graph, ir_version=10)
    model.metadata_props.update({"format": '"x"', KEY: f'"{UNSEALED}"', "model_sha256": '"ab"'})
    data = sealed(ir.to_proto(model).SerializeToString())
    check_seal(data, "model.onnx")
    return data


@settings(max_examples=500)
@given(place=st.integers(0, 2**30), bits=st.integers(1, 255))
def test_every_flipped_bit_is_found(content: bytes, place: int, bits: int) -> None:
    damaged = bytearray(content)
    damaged[place % len(content)] ^= bits
    with pytest.raises(ValueError, match=r"model\.onnx: .*export the model again") as error:
        check_seal(bytes(damaged), "model.onnx")
    assert "\n" not in str(error.value)


@settings(max_examples=100)
@given(size=st.integers(0, 2**30), tail=st.binary(max_size=9))
def test_files_that_are_cut_off_or_go_on_are_found(content: bytes, size: int, tail: bytes) -> None:
    damaged = content[: size % len(content)] + tail
    with pytest.raises(ValueError, match="export the model again"):
        check_seal(damaged, "model.onnx")
