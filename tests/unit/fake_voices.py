"""A folder of natural voices with a tiny model: a tone whose pitch follows timbre and phonemes."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from speechmoe_espnet.corpora.synthetic.kokoro import FIRST_VOCABULARY

CHINESE = [f"zf_{name}" for name in "abcd"] + [f"zm_{name}" for name in "efgh"]
FOREIGN = [f"af_{name}" for name in "abcdefghij"] + [f"am_{name}" for name in "klmnopqrst"]
SAMPLES_A_PHONEME = 1200


def make_voices(
    folder: Path, names: list[str] | None = None, speed: int = TensorProto.FLOAT
) -> Path:
    """Write a folder as `fetch_voices` does."""
    (folder / "voices").mkdir(parents=True)
    for name in CHINESE + FOREIGN if names is None else names:
        rng = np.random.default_rng(list(name.encode()))
        rng.normal(size=(300, 256)).astype("<f4").tofile(folder / "voices" / f"{name}.bin")
    (folder / "config.json").write_text(json.dumps({"vocab": dict(FIRST_VOCABULARY)}))
    onnx.save(_model(speed), folder / "model.onnx")
    return folder


def _model(speed: int) -> onnx.ModelProto:
    constants = {"zero": 0.0, "one": 1.0, "size": float(SAMPLES_A_PHONEME), "base": 0.05}
    constants |= {"spread": 0.02, "half": 0.5, "gap": 0.0002}
    nodes = [
        helper.make_node("Size", ["tokens"], ["count"]),
        helper.make_node("Cast", ["count"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["speed"], ["quick"], to=TensorProto.FLOAT),
        helper.make_node("Squeeze", ["quick"], ["rate"]),
        helper.make_node("Mul", ["number", "size"], ["whole"]),
        helper.make_node("Div", ["whole", "rate"], ["length"]),
        helper.make_node("Range", ["zero", "length", "one"], ["time"]),
        helper.make_node("ReduceMean", ["style"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "spread"], ["deviation"]),
        helper.make_node("Cast", ["tokens"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["content"], keepdims=0),
        helper.make_node("Mul", ["content", "gap"], ["word"]),
        helper.make_node("Sum", ["base", "deviation", "word"], ["step"]),
        helper.make_node("Mul", ["time", "step"], ["phase"]),
        helper.make_node("Sin", ["phase"], ["wave"]),
        helper.make_node("Mul", ["wave", "half"], ["audio"]),
    ]
    inputs = [
        helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, "n"]),
        helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 256]),
        helper.make_tensor_value_info("speed", speed, [1]),
    ]
    graph = helper.make_graph(
        nodes,
        "tone",
        inputs,
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["samples"])],
        [
            helper.make_tensor(name, TensorProto.FLOAT, [], [value])
            for name, value in constants.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
