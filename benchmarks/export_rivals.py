"""Other ways to export a mixture of experts, for comparison with ours.

`TracedLoop` is the trace of a plain Python mixture. `all_experts` is the export of toolkits that
avoid data-dependent shapes. `scattered` is the loop with weights in our layout. The last two are no
mixtures: they split the rows evenly, to show the cost of the matrix products alone, and the cost of
reading more weights than fit into a cache.
"""

from typing import Any

import numpy as np
import onnx_ir as ir
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speechmoe_espnet.export.int8 import ZERO_POINT, quantised
from speechmoe_espnet.export.nodes import FLOAT32, Precision, Writer, expert_rows
from speechmoe_espnet.export.weights import Array, FeedForwardWeights

BLOCK = 32


class TracedLoop(nn.Module):
    """A stack of MoE layers in plain PyTorch: per expert nonzero, two products, index_add.

    Args:
        stack: Stack whose layers and parameters are used.
    """

    def __init__(self, stack: Any) -> None:
        super().__init__()
        self.layers = stack.layers

    def forward(self, x: Tensor, lengths: Tensor, embedding: Tensor) -> Tensor:
        """(B, T, D), (B,), (B, T, De) to (B, T, D)."""
        mask = torch.arange(x.size(1)).unsqueeze(0) < lengths.unsqueeze(1)
        for layer in self.layers:
            evidence = torch.cat([embedding, x], dim=-1)
            probs = F.linear(evidence, layer.router.weight).softmax(dim=-1)
            gates, chosen = probs.max(dim=-1, keepdim=True)
            chosen = chosen.masked_fill(~mask.unsqueeze(-1), -1).flatten()
            rows = x.flatten(0, 1)
            out = torch.zeros_like(rows)
            experts = layer.experts
            for expert in range(layer.num_experts):
                frames = (chosen == expert).nonzero().squeeze(1)
                hidden = rows.index_select(0, frames) @ experts.w1[expert] + experts.b1[expert]
                result = F.relu(hidden) @ experts.w2[expert] + experts.b2[expert]
                out = out.index_add(0, frames, result)
            x = x + out.view_as(x) * gates
        return x


def scattered(
    writer: Writer,
    rows: ir.Value,
    chosen: ir.Value,
    weights: FeedForwardWeights,
    precision: Precision,
) -> ir.Value:
    """For each expert: find its rows, compute, add to the output (a traced Python loop)."""
    flat = writer.op("Reshape", chosen, writer.const([-1]))
    out = _zeros_like(writer, rows)
    for expert in range(weights.num_experts):
        found = writer.op("NonZero", writer.op("Equal", flat, writer.const(expert)))
        frames = writer.op("Reshape", found, writer.const([-1]))
        taken = writer.op("Gather", rows, frames, axis=0)
        result = expert_rows(writer, taken, expert, weights, precision)
        where = writer.op("Unsqueeze", frames, writer.const([1]))
        out = writer.op("ScatterND", out, where, result, reduction="add")
    return writer.op("Unsqueeze", out, writer.const([1]))


def all_experts(
    writer: Writer,
    rows: ir.Value,
    chosen: ir.Value,
    weights: FeedForwardWeights,
    precision: Precision,
) -> ir.Value:
    """Run every expert on every row, with a mask: no data-dependent shapes."""
    out = _zeros_like(writer, rows)
    for expert in range(weights.num_experts):
        mask = writer.op("Equal", chosen, writer.const(expert))
        share = writer.op("Cast", mask, to=int(ir.DataType.FLOAT))
        result = expert_rows(writer, rows, expert, weights, precision)
        out = writer.op("Add", out, writer.op("Mul", result, share))
    return writer.op("Unsqueeze", out, writer.const([1]))


def evenly_split(
    writer: Writer,
    rows: ir.Value,
    chosen: ir.Value,
    weights: FeedForwardWeights,
    precision: Precision,
) -> ir.Value:
    """Give the first rows to the first expert and so on; needs a multiple of E rows."""
    count = weights.num_experts
    shares = writer.op_many("Split", count, rows, axis=0, num_outputs=count)
    results = [
        expert_rows(writer, share, expert, weights, precision)
        for expert, share in enumerate(shares)
    ]
    return writer.op("Unsqueeze", writer.op("Concat", *results, axis=0), writer.const([1]))


def one_set_of_weights(
    writer: Writer,
    rows: ir.Value,
    chosen: ir.Value,
    weights: FeedForwardWeights,
    precision: Precision,
) -> ir.Value:
    """`evenly_split` with the first expert for all: the same products, fewer weights to read."""
    constants: dict[str, ir.Value] = {}

    def linear(writer: Writer, rows: ir.Value, name: str, weight: Array, bias: Array) -> ir.Value:
        which = name.split(".")[1]
        if which not in constants:
            constants[which] = writer.weight(name, weight)
            constants[f"{which}.bias"] = writer.weight(f"{name}.bias", bias)
        return writer.op("Gemm", rows, constants[which], constants[f"{which}.bias"])

    assert precision is FLOAT32
    return evenly_split(writer, rows, chosen, weights, Precision("float32", linear))


def signed_linear(
    writer: Writer, rows: ir.Value, name: str, weight: Array, bias: Array
) -> ir.Value:
    """Int8 with signed weights: faster than ours on AVX2, but its products saturate there."""
    levels, scale = quantised(weight)
    signed = (levels.astype(np.int16) - ZERO_POINT).astype(np.int8)
    inputs, input_scale, input_zero = writer.op_many("DynamicQuantizeLinear", 3, rows)
    constant = writer.weight(f"{name}.int8", signed)
    product = writer.op("MatMulInteger", inputs, constant, input_zero)
    scales = writer.op("Mul", input_scale, writer.weight(f"{name}.scale", scale))
    out = writer.op("Mul", writer.op("Cast", product, to=int(ir.DataType.FLOAT)), scales)
    return writer.op("Add", out, writer.weight(f"{name}.bias", bias))


def block_linear(writer: Writer, rows: ir.Value, name: str, weight: Array, bias: Array) -> ir.Value:
    """onnxruntime's MatMulNBits with 8 bits, one scale per block of a column."""
    depth, width = weight.shape
    blocks = weight.T.reshape(width, depth // BLOCK, BLOCK)
    scale = np.maximum(np.abs(blocks).max(axis=2, keepdims=True) / 127, 1e-12)
    levels = (np.rint(blocks / scale) + ZERO_POINT).astype(np.uint8)
    inputs = [
        rows,
        writer.weight(f"{name}.int8", levels),
        writer.weight(f"{name}.scale", scale[..., 0].astype(np.float32)),
    ]
    sizes = {"K": depth, "N": width, "bits": 8, "block_size": BLOCK, "accuracy_level": 4}
    node = ir.node(
        "MatMulNBits", inputs, sizes, domain="com.microsoft", name=f"{writer.prefix}/{name}.blocks"
    )
    writer.nodes.append(node)
    writer.graph.opset_imports["com.microsoft"] = 1
    return writer.op("Add", node.outputs[0], writer.weight(f"{name}.bias", bias))


SIGNED = Precision("int8 signed", signed_linear)
BLOCKS = Precision("int8 blocks", block_linear)


def _zeros_like(writer: Writer, rows: ir.Value) -> ir.Value:
    zero = ir.tensor(np.zeros(1, dtype=np.float32))
    return writer.op("ConstantOfShape", writer.op("Shape", rows), value=zero)
