"""Export of a trained model to a file: traced, written, checked, moved into place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir as ir

from speechmoe_espnet.export.acoustic import AcousticModel, trace
from speechmoe_espnet.export.check import Difference, compare, make_batches
from speechmoe_espnet.export.metadata import Metadata
from speechmoe_espnet.export.nodes import FLOAT32, Precision, expand
from speechmoe_espnet.export.seal import sealed
from speechmoe_espnet.export.session import open_session
from speechmoe_espnet.export.sherpa import sherpa_props
from speechmoe_espnet.export.weights import FeedForwardWeights, feed_forward_weights

# The newest that torch's exporter recommends; from 23 on it writes attention as one node, which
# onnxruntime 1.32 refuses with a mask that is the same for all queries.
OPSET = 20
TOLERANCE = 1e-3
MAX_BYTES = 2**31 - 1


@dataclass(frozen=True)
class Traced:
    """Traced model, which can be written in any precision.

    Attributes:
        model: The model in PyTorch.
        graph: The graph with opaque feed-forward nodes.
        layers: Their weights.
        metadata: Metadata of the file; its precision is filled in on writing.
    """

    model: AcousticModel
    graph: ir.Model
    layers: Mapping[str, FeedForwardWeights]
    metadata: Metadata

    @classmethod
    def of(cls, model: AcousticModel, metadata: Metadata) -> "Traced":
        """Trace a model on the CPU."""
        graph = trace(model, metadata.num_features, metadata.least_frames, OPSET)
        return cls(model, graph, feed_forward_weights(model), metadata)

    def written(self, precision: Precision) -> ir.Model:
        """Return the graph with feed-forward layers in a precision, and metadata."""
        graph = self.graph.clone()
        expand(graph, self.layers, precision)
        metadata = replace(self.metadata, precision=precision.name)
        graph.metadata_props.update(metadata.to_props() | sherpa_props(metadata))
        graph.producer_name = "speechmoe_espnet"
        return graph


def export(traced: Traced, precision: Precision, path: Path) -> Difference:
    """Write a file after comparing it with PyTorch; a failure leaves the former file.

    Args:
        traced: The model.
        precision: Precision of the feed-forward layers.
        path: File to write.

    Returns:
        Difference between the file's results and PyTorch's.

    Raises:
        ValueError: A float32 graph differs from PyTorch by more than TOLERANCE, or the model is
            too large for one file.
    """
    data = ir.to_proto(traced.written(precision))
    if data.ByteSize() > MAX_BYTES:
        raise ValueError(
            f"the model takes {data.ByteSize() / 1e9:.1f} GB; an ONNX file holds 2 GB at most"
        )
    metadata = traced.metadata
    batches = make_batches(traced.model, metadata.num_features, metadata.least_frames)
    beside = path.with_name(f".{path.name}.tmp.{os.getpid()}")
    try:
        beside.write_bytes(sealed(data.SerializeToString()))
        difference = compare(open_session(beside), traced.model, batches)
        if precision is FLOAT32 and not difference.largest <= TOLERANCE:
            raise ValueError(
                f"{path}: not written: the exported graph differs from PyTorch by "
                f"{difference.largest:.3g}, more than {TOLERANCE:g} ({difference})"
            )
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return difference
