"""Kokoro in three parts, the middle one in bfloat16 through OpenVINO: three times as fast.

Nearly all of the computation is convolutions of the vocoder. The int8 release computes them by
onnxruntime's integer convolution, which uses no matrix unit of the processor. Here they become
ordinary convolutions with the weights that the integers stand for. What comes before them (text,
durations, pitch, and above all the phase of the harmonics, which bfloat16 would lose) and after
them (the waveform from magnitudes and phases) stays as it is. In float32 the parts give the samples
of the whole with such weights; in bfloat16, log-mel energies differ less from those than those of
the int8 model do.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BEFORE, NETWORK, AFTER = "before.part", "network.onnx", "after.part"
_DECODER = "/decoder/decoder/"
_HARMONICS = f"{_DECODER}generator/Concat_3_output_0"
_SPECTRUM = f"{_DECODER}generator/conv_post/Conv_output_0"
_BINS = 22
# Odd powers of the least-squares polynomial for sin on [-pi, pi]; it differs by 3e-7 at most.
_POWERS = (1, 3, 5, 7, 9, 11)


class PartsSession:
    """The three parts behind the interface of one onnxruntime session.

    Args:
        folder: Folder that `split` wrote.
        open_session: Opens an ONNX file in onnxruntime.

    Raises:
        ValueError: OpenVINO is not installed, or a file cannot be loaded.
    """

    def __init__(self, folder: Path, open_session: Any) -> None:
        try:
            import openvino
        except ModuleNotFoundError:
            raise ValueError(
                "voices in parts need OpenVINO: install this project with its extra, "
                "pip install -e '.[fast_voices]'"
            ) from None
        self._before = open_session(folder / BEFORE)
        self._after = open_session(folder / AFTER)
        # Every utterance has another length: what was compiled for one is not needed again.
        options = {
            "INFERENCE_NUM_THREADS": "1",
            "INFERENCE_PRECISION_HINT": "bf16",
            "CPU_RUNTIME_CACHE_CAPACITY": "0",
        }
        core = openvino.Core()
        try:
            network = core.compile_model(core.read_model(folder / NETWORK), "CPU", options)
        except RuntimeError as error:
            raise ValueError(f"{folder / NETWORK} cannot be loaded as a model: {error}") from None
        self._network = network.create_infer_request()
        self._inputs = [item.get_any_name() for item in network.inputs]
        self._wanted = [item.name for item in self._before.get_outputs()]

    def get_inputs(self) -> Any:
        """Return what the first part takes, which is what the whole takes."""
        return self._before.get_inputs()

    def run(self, _outputs: None, inputs: dict[str, Any]) -> list[NDArray[np.float32]]:
        """Run the parts one after the other; return the samples."""
        values = dict(zip(self._wanted, self._before.run(self._wanted, inputs), strict=True))
        spectrum = self._network.infer({name: values[name] for name in self._inputs})[0]
        return list(self._after.run(None, {_SPECTRUM: np.asarray(spectrum)}))


def split(model: Path, folder: Path) -> None:
    """Write the three parts of a model.

    Args:
        model: The int8 release of Kokoro-82M, an ONNX file.
        folder: Where BEFORE, NETWORK and AFTER are written.

    Raises:
        ValueError: The file has not the nodes of that release.
    """
    import onnx

    try:
        graph = _Graph(onnx.load(model))
        _to_float(graph)
        before, network, after = _divide(graph)
    except (KeyError, IndexError) as error:
        raise ValueError(f"{model} is not the int8 release of Kokoro-82M: no {error}") from None
    for name, part in ((BEFORE, before), (NETWORK, network), (AFTER, after)):
        onnx.save(part, folder / name)


def _key(node: Any) -> str:
    """Return the name of a node's first value; some have no name of their own."""
    return next(filter(None, node.output))


class _Graph:
    """An ONNX graph with who makes and who takes each value."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.nodes: list[Any] = list(model.graph.node)
        self.weights = {item.name: item for item in model.graph.initializer}
        self.index()

    def index(self) -> None:
        """Read the nodes again after a change."""
        self.maker = {value: node for node in self.nodes for value in node.output if value}
        self.takers: dict[str, list[Any]] = defaultdict(list)
        for node in self.nodes:
            for value in filter(None, node.input):
                self.takers[value].append(node)

    def array(self, name: str) -> NDArray[np.float32]:
        """Return a weight as float32."""
        from onnx import numpy_helper

        return numpy_helper.to_array(self.weights[name]).astype(np.float32)

    def add(self, name: str, array: NDArray[np.float32]) -> str:
        """Add a weight; return its name."""
        from onnx import numpy_helper

        self.weights[name] = numpy_helper.from_array(array.astype(np.float32), name)
        return name

    def reached(self, values: Iterable[str], *, backwards: bool) -> set[str]:
        """Return the names of the nodes that values lead to, or come from."""
        found: set[str] = set()
        left = list(values)
        while left:
            value = left.pop()
            makers = [self.maker[value]] if value in self.maker else []
            for node in makers if backwards else self.takers[value]:
                if _key(node) not in found:
                    found.add(_key(node))
                    left += node.input if backwards else node.output
        return found

    def part(self, nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Return a model of some of the nodes."""
        from onnx import helper

        used = {value for node in nodes for value in node.input}
        weights = [weight for name, weight in self.weights.items() if name in used]
        graph = helper.make_graph(nodes, "part", inputs, outputs, weights)
        return helper.make_model(
            graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version
        )


def _to_float(graph: _Graph) -> None:
    """Put convolutions of floats in place of integer ones and what quantises around them."""
    from onnx import helper

    replaced = {}
    for node in [node for node in graph.nodes if node.op_type == "ConvInteger"]:
        quantised, weight, _, zero = node.input
        source = graph.maker[quantised]
        (after,) = graph.takers[node.output[0]]
        bias = []
        if after.op_type == "Add":
            (rounded,) = (value for value in after.input if value != node.output[0])
            while graph.maker[rounded].op_type != "Div":
                rounded = graph.maker[rounded].input[0]
            bias = [graph.maker[rounded].input[0]]
            (after,) = graph.takers[after.output[0]]
        (scaled,) = graph.takers[after.output[0]]
        (scale,) = (value for value in scaled.input if value != after.output[0])
        (step,) = (value for value in graph.maker[scale].input if value != source.output[1])
        whole = graph.array(weight)
        shape = (-1,) + (1,) * (whole.ndim - 1)
        values = (whole - graph.array(zero).reshape(shape)) * graph.array(step).reshape(shape)
        name = graph.add(f"{weight}_float", values)
        made = helper.make_node("Conv", [source.input[0], name, *bias], scaled.output, node.name)
        made.attribute.extend(node.attribute)
        replaced[scaled.output[0]] = made
    graph.nodes = [replaced.get(_key(node), node) for node in graph.nodes]
    _drop_unused(graph)


def _drop_unused(graph: _Graph) -> None:
    graph.index()
    needed = graph.reached([item.name for item in graph.model.graph.output], backwards=True)
    graph.nodes = [node for node in graph.nodes if _key(node) in needed]
    graph.index()


def _divide(graph: _Graph) -> tuple[Any, Any, Any]:
    """Return the parts: what leads to the harmonics or needs no time axis, the network, the end."""
    import onnx
    from onnx import helper

    harmonics = graph.reached([_HARMONICS], backwards=True)
    if _HARMONICS not in graph.maker or _SPECTRUM not in graph.maker:
        raise KeyError(_HARMONICS)
    after = graph.reached([_SPECTRUM], backwards=False)
    given = list(graph.model.graph.input)
    # What follows from the style alone has no time axis, and is computed before.
    in_time = graph.reached([item.name for item in given if item.name != "style"], backwards=False)
    inside = [
        node
        for node in graph.nodes
        if node.name.lstrip("/").startswith(_DECODER[1:])
        and _key(node) in in_time - harmonics - after
    ]
    names = {_key(node) for node in inside}
    made = {value for node in inside for value in node.output}
    inputs = {value for node in inside for value in node.input if value} - made
    inputs -= set(graph.weights)
    known = onnx.shape_inference.infer_shapes(graph.model).graph
    described = {item.name: item for item in [*known.value_info, *known.input, *known.output]}
    for value in (_HARMONICS, _SPECTRUM):
        described[value] = helper.make_tensor_value_info(
            value, onnx.TensorProto.FLOAT, [1, _BINS, f"{value} frames"]
        )
    before = [node for node in graph.nodes if _key(node) not in names | after]
    passed = [described[value] for value in sorted(inputs)]
    spectrum = [described[_SPECTRUM]]
    end = [node for node in graph.nodes if _key(node) in after]
    return (
        graph.part(before, given, passed),
        graph.part(list(_without_sin(graph, inside)), passed, spectrum),
        graph.part(end, spectrum, list(graph.model.graph.output)),
    )


def _without_sin(graph: _Graph, nodes: Sequence[Any]) -> Iterator[Any]:
    """Write sin as a polynomial, which OpenVINO fuses; its own sin is slow.

    Args:
        graph: Takes the constants.
        nodes: Nodes of the network.

    Yields:
        The nodes, in order.
    """
    from onnx import helper

    points = np.linspace(-np.pi, np.pi, 20001)
    powers = np.stack([points**power for power in _POWERS], axis=1)
    factors = np.linalg.lstsq(powers, np.sin(points), rcond=None)[0]
    turn = graph.add("turn", np.array(2 * np.pi))
    turns = graph.add("turns", np.array(1 / (2 * np.pi)))
    last, *others = [
        graph.add(f"sin {power}", np.array(factor))
        for power, factor in reversed(list(zip(_POWERS, factors, strict=True)))
    ]
    for node in nodes:
        if node.op_type != "Sin":
            yield node
            continue
        (angle,) = node.input
        turned, rounded, whole, small = (f"{node.output[0]} {step}" for step in range(4))
        yield helper.make_node("Mul", [angle, turns], [turned])
        yield helper.make_node("Round", [turned], [rounded])
        yield helper.make_node("Mul", [rounded, turn], [whole])
        yield helper.make_node("Sub", [angle, whole], [small])
        square = f"{node.output[0]} square"
        yield helper.make_node("Mul", [small, small], [square])
        total = last
        for factor in others:
            multiplied, added = f"{node.output[0]} times {factor}", f"{node.output[0]} {factor}"
            yield helper.make_node("Mul", [total, square], [multiplied])
            yield helper.make_node("Add", [multiplied, factor], [added])
            total = added
        yield helper.make_node("Mul", [total, small], node.output, node.name)
