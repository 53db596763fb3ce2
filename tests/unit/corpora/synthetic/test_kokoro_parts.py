"""A model with the layout of Kokoro's int8 release, whole and in parts."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from speechmoe_espnet.corpora.synthetic import kokoro_parts
from speechmoe_espnet.corpora.synthetic.kokoro import Kokoro, VoicesFolder, _open_session

DECODER = "/decoder/decoder/"
GENERATOR = f"{DECODER}generator/"
RNG = np.random.default_rng(0)
INPUTS = {
    "tokens": np.array([[0, 3, 7, 5, 2, 9, 0]], dtype=np.int64),
    "style": RNG.normal(size=(1, 256)).astype(np.float32),
    "speed": np.array([1.0], dtype=np.float32),
}


class Builder:
    """Nodes and weights of a model, its convolutions in int8 or in float."""

    def __init__(self, quantised: bool) -> None:
        self.quantised = quantised
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, array: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, inputs: list[str], name: str, **options: object) -> str:
        output = f"{name}_output_0"
        self.nodes.append(helper.make_node(kind, inputs, [output], name, **options))
        return output

    def conv(self, value: str, name: str, channels: int, *, bias: bool) -> str:
        """Add a convolution over three frames as onnxruntime's quantisation writes it."""
        whole = RNG.integers(0, 255, (channels, 22, 3)).astype(np.uint8)
        step, zero = np.float32(0.002), np.uint8(128)
        shift = RNG.normal(size=channels).astype(np.float32)
        pads = {"pads": [1, 1]}
        if not self.quantised:
            values = (whole.astype(np.float32) - zero) * step
            inputs = [value, self.weight(f"{name}.w", values)]
            inputs += [self.weight(f"{name}.b", shift)] if bias else []
            return self.add("Conv", inputs, name, **pads)
        quantised, scale, point = (f"{value}_{name}_{part}" for part in ("q", "s", "z"))
        kind = "DynamicQuantizeLinear"
        self.nodes.append(helper.make_node(kind, [value], [quantised, scale, point], f"{name}_q"))
        weights = [self.weight(f"{name}.w", whole), point, self.weight(f"{name}.z", zero)]
        counts = self.add("ConvInteger", [quantised, *weights], f"{name}_quant", **pads)
        both = self.add("Mul", [scale, self.weight(f"{name}.s", step)], f"{name}_scale")
        if bias:
            shares = self.add("Div", [self.weight(f"{name}.b", shift), both], f"{name}_div")
            rounded = self.add("Round", [shares], f"{name}_round")
            as_int = self.add("Cast", [rounded], f"{name}_int", to=TensorProto.INT32)
            shape = self.weight(f"{name}.shape", np.array([1, -1, 1]))
            reshaped = self.add("Reshape", [as_int, shape], f"{name}_reshape")
            counts = self.add("Add", [counts, reshaped], f"{name}_add")
        floats = self.add("Cast", [counts], f"{name}_float", to=TensorProto.FLOAT)
        return self.add("Mul", [floats, both], name)


def model(quantised: bool) -> onnx.ModelProto:
    global RNG
    RNG = np.random.default_rng(1)
    build = Builder(quantised)
    numbers = build.add("Cast", ["tokens"], "/encoder/Cast", to=TensorProto.FLOAT)
    axis = build.weight("axis", np.array([1]))
    row = build.add("Unsqueeze", [numbers, axis], "/encoder/Unsqueeze")
    rows = build.weight("rows", RNG.normal(size=(1, 11, 1)).astype(np.float32))
    half = build.add("Mul", [row, rows], f"{GENERATOR}m_source/Mul")
    wave = build.add("Sin", [half], f"{GENERATOR}m_source/Sin")
    harmonics = build.add("Concat", [half, wave], f"{GENERATOR}Concat_3", axis=1)
    table = build.weight("table", RNG.normal(0, 0.1, (256, 22)).astype(np.float32))
    factors = build.add("MatMul", ["style", table], f"{DECODER}norm/fc")
    last = build.weight("last", np.array([2]))
    factor = build.add("Unsqueeze", [factors, last], f"{DECODER}norm/Unsqueeze")
    first = build.conv(harmonics, f"{GENERATOR}noise_convs.0/Conv", 22, bias=False)
    scaled = build.add("Mul", [first, factor], f"{GENERATOR}Mul")
    waves = build.add("Sin", [scaled], f"{GENERATOR}resblocks.0/Sin")
    spectrum = build.conv(waves, f"{GENERATOR}conv_post/Conv", 22, bias=True)
    loud = build.add("Tanh", [spectrum], f"{GENERATOR}Tanh")
    node = helper.make_node("ReduceMean", [loud], ["audio"], "mean", axes=[1], keepdims=0)
    build.nodes.append(node)
    inputs = [
        helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, "n"]),
        helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 256]),
        helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]),
    ]
    audio = helper.make_tensor_value_info("audio", TensorProto.FLOAT, [1, "n"])
    graph = helper.make_graph(build.nodes, "tone", inputs, [audio], build.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    onnx.save(model(quantised=True), tmp_path / "model.onnx")
    kokoro_parts.split(tmp_path / "model.onnx", tmp_path)
    (tmp_path / "model.onnx").unlink()
    return tmp_path


def expected() -> np.ndarray:
    exact = model(quantised=False).SerializeToString()
    return np.asarray(onnxruntime.InferenceSession(exact).run(None, INPUTS)[0])


def test_in_float32_the_parts_give_the_samples_of_the_float_model(parts: Path) -> None:
    before, network, after = (
        _open_session(parts / name)
        for name in (kokoro_parts.BEFORE, kokoro_parts.NETWORK, kokoro_parts.AFTER)
    )
    wanted = [item.name for item in before.get_outputs()]
    values = dict(zip(wanted, before.run(wanted, INPUTS), strict=True))
    (spectrum,) = network.run(None, {item.name: values[item.name] for item in network.get_inputs()})
    (audio,) = after.run(None, {after.get_inputs()[0].name: spectrum})
    assert np.abs(audio - expected()).max() < 1e-5
    assert np.abs(expected()).max() > 0.1


def test_the_network_keeps_no_sin_and_no_integers(parts: Path) -> None:
    kinds = {node.op_type for node in onnx.load(parts / kokoro_parts.NETWORK).graph.node}
    assert not kinds & {"Sin", "ConvInteger", "DynamicQuantizeLinear", "MatMul"}
    assert "Sin" in {node.op_type for node in onnx.load(parts / kokoro_parts.BEFORE).graph.node}


def test_in_bfloat16_they_are_close(parts: Path) -> None:
    pytest.importorskip("openvino")
    (audio,) = kokoro_parts.PartsSession(parts, _open_session).run(None, INPUTS)
    assert audio.shape == expected().shape
    assert np.abs(audio - expected()).max() < 0.05 * np.abs(expected()).max()


def test_a_folder_of_parts_is_a_folder_of_voices(parts: Path) -> None:
    pytest.importorskip("openvino")
    np.ones((60, 256), dtype="<f4").tofile(parts / "zf_a.bin")
    folder = VoicesFolder.load(parts)
    assert folder.model.name == kokoro_parts.NETWORK
    assert Kokoro(folder)._tokens == "tokens"


def test_another_model_is_refused(tmp_path: Path) -> None:
    other = model(quantised=True)
    for node in other.graph.node:
        for index, value in enumerate(node.output):
            node.output[index] = value.replace("Concat_3", "Concat_4")
        for index, value in enumerate(node.input):
            node.input[index] = value.replace("Concat_3", "Concat_4")
    onnx.save(other, tmp_path / "model.onnx")
    with pytest.raises(ValueError, match=r"is not the int8 release of Kokoro-82M: no .*Concat_3"):
        kokoro_parts.split(tmp_path / "model.onnx", tmp_path)
