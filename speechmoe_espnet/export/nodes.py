"""Feed-forward layers as ONNX nodes, written in place of the opaque nodes of a traced graph.

Rows are sorted by expert, because a runtime multiplies fastest by constants, which it packs once,
on many rows at a time; copies cost little in comparison. So each layer sorts its frames once. An
expert takes one gather and two matrix products with its own constants, and one scatter puts the
results back. Rows of padding belong to no expert and are never read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from speechmoe_espnet.export.weights import (
    DOMAIN,
    EXPERTS,
    FEED_FORWARD,
    Array,
    FeedForwardWeights,
)


class Writer:
    """Appends nodes and constants for one layer.

    Args:
        graph: Where constants go.
        prefix: Path of the layer, the beginning of every name.
    """

    def __init__(self, graph: ir.Graph, prefix: str) -> None:
        self.graph = graph
        self.prefix = prefix
        self.nodes: list[ir.Node] = []
        self._shared: dict[tuple[str, bytes], ir.Value] = {}

    def op(self, op_type: str, *inputs: ir.Value | None, **attributes: object) -> ir.Value:
        """Append a node with one output."""
        return self.op_many(op_type, 1, *inputs, **attributes)[0]

    def op_many(
        self, op_type: str, num_outputs: int, /, *inputs: ir.Value | None, **attributes: object
    ) -> tuple[ir.Value, ...]:
        """Append a node with several outputs."""
        name = f"{self.prefix}/{op_type}_{len(self.nodes)}"
        outputs = [ir.Value(name=f"{name}:{number}") for number in range(num_outputs)]
        node = ir.node(op_type, inputs, attributes, outputs=outputs, name=name)  # type: ignore[arg-type]
        self.nodes.append(node)
        return tuple(node.outputs)

    def weight(self, name: str, values: NDArray[np.generic]) -> ir.Value:
        """Add a constant with a name of its own, so that two graphs can share its file."""
        value = ir.val(f"{self.prefix}.{name}", const_value=ir.tensor(np.ascontiguousarray(values)))
        self.graph.register_initializer(value)
        return value

    def const(self, values: list[int] | int) -> ir.Value:
        """A small int64 constant, one for each value."""
        array = np.array(values, dtype=np.int64)
        key = (str(array.shape), array.tobytes())
        if key not in self._shared:
            name = f"{self.prefix}/const_{len(self._shared)}"
            value = ir.val(name, const_value=ir.tensor(array))
            self.graph.register_initializer(value)
            self._shared[key] = value
        return self._shared[key]


Linear = Callable[[Writer, ir.Value, str, Array, Array], ir.Value]


@dataclass(frozen=True)
class Precision:
    """How a matrix product with constant weights is written.

    Attributes:
        name: float32 or int8.
        linear: Writes rows (N, D), weights (D, H) and bias (H,) to (N, H).
    """

    name: str
    linear: Linear


Dispatch = Callable[[Writer, ir.Value, ir.Value, FeedForwardWeights, Precision], ir.Value]


def float_linear(writer: Writer, rows: ir.Value, name: str, weight: Array, bias: Array) -> ir.Value:
    """One Gemm, which runtimes fuse with the activation that follows."""
    return writer.op("Gemm", rows, writer.weight(name, weight), writer.weight(f"{name}.bias", bias))


FLOAT32 = Precision("float32", float_linear)


def expert_rows(
    writer: Writer, rows: ir.Value, expert: int, weights: FeedForwardWeights, precision: Precision
) -> ir.Value:
    """Send rows (N, D) through one expert."""
    hidden = precision.linear(writer, rows, f"{expert}.w1", weights.w1[expert], weights.b1[expert])
    if weights.activation == "swish":
        hidden = writer.op("Mul", hidden, writer.op("Sigmoid", hidden))
    else:
        hidden = writer.op({"relu": "Relu", "gelu": "Gelu"}[weights.activation], hidden)
    return precision.linear(writer, hidden, f"{expert}.w2", weights.w2[expert], weights.b2[expert])


def sorted_dispatch(
    writer: Writer,
    rows: ir.Value,
    chosen: ir.Value,
    weights: FeedForwardWeights,
    precision: Precision,
) -> ir.Value:
    """Write sparse experts: rows (N, D) and chosen (N, K) to (N, K, D), zeros where -1.

    NonZero of the (E, N K) table of choices lists them expert by expert, in order within each,
    which is the sorting; its row sums are the sizes of the shares.
    """
    count = weights.num_experts
    top_k = int(chosen.shape[1])  # type: ignore[index,arg-type]
    flat = writer.op("Reshape", chosen, writer.const([1, -1]))
    numbers = writer.op("Unsqueeze", writer.const(list(range(count))), writer.const([1]))
    table = writer.op("Equal", flat, numbers)
    order = writer.op("Gather", writer.op("NonZero", table), writer.const(1), axis=0)
    ones = writer.op("Cast", table, to=int(ir.DataType.INT64))
    sizes = writer.op("ReduceSum", ones, writer.const([1]), keepdims=0)
    source = order if top_k == 1 else writer.op("Div", order, writer.const(top_k))
    shares = writer.op_many("Split", count, source, sizes, axis=0)
    outputs = [
        expert_rows(writer, writer.op("Gather", rows, share, axis=0), expert, weights, precision)
        for expert, share in enumerate(shares)
    ]
    together = writer.op("Concat", *outputs, axis=0)
    length = writer.op("Reshape", writer.op("Size", chosen), writer.const([1]))
    shape = writer.op("Concat", length, writer.const([weights.width]), axis=0)
    zeros = writer.op("ConstantOfShape", shape, value=ir.tensor(np.zeros(1, dtype=np.float32)))
    back = writer.op("Unsqueeze", order, writer.const([1]))
    out = writer.op("ScatterND", zeros, back, together)
    return writer.op("Reshape", out, writer.const([-1, top_k, weights.width]))


def expand(
    model: ir.Model,
    layers: Mapping[str, FeedForwardWeights],
    precision: Precision = FLOAT32,
    dispatch: Dispatch = sorted_dispatch,
) -> None:
    """Replace every opaque feed-forward node of a model, in place.

    Args:
        model: Graph of a traceable model, from the exporter.
        layers: Weights by path.
        precision: How products with constant weights are written.
        dispatch: How rows reach their experts.
    """
    for node in list(model.graph):
        if node.domain != DOMAIN:
            continue
        name = node.attributes["layer"].as_string()
        writer = Writer(model.graph, name)
        rows = node.inputs[0]
        assert rows is not None
        if node.op_type == EXPERTS:
            chosen = node.inputs[1]
            assert chosen is not None
            out = dispatch(writer, rows, chosen, layers[name], precision)
        else:
            assert node.op_type == FEED_FORWARD, node.op_type
            out = expert_rows(writer, rows, 0, layers[name], precision)
        ir.convenience.replace_nodes_and_values(
            model.graph, node, [node], writer.nodes, node.outputs, [out]
        )
    model.opset_imports.pop(DOMAIN, None)
