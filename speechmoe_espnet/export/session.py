"""Sessions of onnxruntime; no other module needs that package."""

from pathlib import Path
from typing import TYPE_CHECKING

from speechmoe_espnet.data.placeholder import refuse_placeholder_file

if TYPE_CHECKING:
    import onnx_ir as ir
    import onnxruntime


def open_session(
    model: "str | Path | bytes | ir.Model", num_threads: int = 1
) -> "onnxruntime.InferenceSession":
    """Load a model for the CPU.

    Args:
        model: A file, its bytes, or a graph.
        num_threads: Threads of each operator.

    Raises:
        ValueError: onnxruntime is not installed, or the file is not an ONNX model.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ValueError(
            "onnxruntime is not installed; utils/setup.sh installs it, or `pip install onnxruntime`"
        ) from None
    if not isinstance(model, str | Path | bytes):
        import onnx_ir as ir  # running a file does not need what makes graphs

        model = ir.to_proto(model).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    if isinstance(source, str):
        refuse_placeholder_file(source)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # onnxruntime's exceptions share no base class of their own.
        name = "the graph" if isinstance(model, bytes) else str(model)
        raise ValueError(f"{name}: onnxruntime cannot load it: {_one_line(error)}") from None


def metadata_of(session: "onnxruntime.InferenceSession", source: str | Path) -> dict[str, str]:
    """Return the metadata of a loaded file.

    Raises:
        ValueError: A text in it is not UTF-8.
    """
    try:
        found: dict[str, str] = session.get_modelmeta().custom_metadata_map
    except (UnicodeDecodeError, RuntimeError) as error:
        raise ValueError(f"{source}: its metadata are damaged: {_one_line(error)}") from None
    return found


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
