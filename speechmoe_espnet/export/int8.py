"""Eight-bit weights for feed-forward layers.

Written with ONNX's own operators, so any runtime can read it; onnxruntime fuses each product into
one node. Weights are unsigned with one scale a column, symmetric about 128: on CPUs without VNNI
the signed form saturates in the middle of a product. Activations are quantised as they come, with
one scale for all rows of a product.
"""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from speechmoe_espnet.export.nodes import Precision, Writer
from speechmoe_espnet.export.weights import Array

ZERO_POINT = 128
MAX_LEVEL = 127


def quantised(weight: Array) -> tuple[NDArray[np.uint8], Array]:
    """Quantise the columns of a matrix.

    Args:
        weight: (D, H).

    Returns:
        Levels (D, H), uint8, of which 128 is 0, and the scale of each column (H,).
    """
    largest = np.abs(weight).max(axis=0)
    scale: Array = np.where(largest > 0, largest / MAX_LEVEL, 1.0).astype(np.float32)
    levels = np.rint(weight / scale) + ZERO_POINT
    return levels.astype(np.uint8), scale


def int8_linear(writer: Writer, rows: ir.Value, name: str, weight: Array, bias: Array) -> ir.Value:
    """Rows (N, D) times quantised weights (D, H), plus the bias in float32."""
    levels, scale = quantised(weight)
    inputs, input_scale, input_zero = writer.op_many("DynamicQuantizeLinear", 3, rows)
    product = writer.op(
        "MatMulInteger",
        inputs,
        writer.weight(f"{name}.int8", levels),
        input_zero,
        writer.weight(f"{name}.zero", np.array(ZERO_POINT, dtype=np.uint8)),
    )
    scales = writer.op("Mul", input_scale, writer.weight(f"{name}.scale", scale))
    out = writer.op("Mul", writer.op("Cast", product, to=int(ir.DataType.FLOAT)), scales)
    return writer.op("Add", out, writer.weight(f"{name}.bias", bias))


INT8 = Precision("int8", int8_linear)
