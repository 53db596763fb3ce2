"""Export a trained model to ONNX: features to log-probabilities, sparse experts, any length.

Any ESPnet model of extracted features with a CTC head can be exported; experts stay sparse. The
file includes tokens, feature options and digests, so it decodes without any other file. sherpa-onnx
runs it with the tokens.txt that is written beside it.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.checksums import file_sha256
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.espnet.experiment_config import (
    DEFAULT_MODEL_FILE,
    FBANK_FILE,
    feature_options,
)
from speechmoe_espnet.inference.experiment import load_model, read_experiment
from speechmoe_espnet.pipeline.atomic_file import write_text_atomically
from speechmoe_espnet.system import cli


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="export",
        description="Export a trained model to ONNX: features to log-probabilities of tokens.",
    )
    parser.add_argument(
        "--model_dir", type=Path, required=True, help="experiment directory with config.yaml"
    )
    parser.add_argument(
        "--model_file", default=DEFAULT_MODEL_FILE, help="checkpoint in --model_dir"
    )
    parser.add_argument(
        "--output", type=Path, help="file to write (default: model.onnx in --model_dir)"
    )
    parser.add_argument(
        "--int8",
        action="store_true",
        help="also write OUTPUT.int8.onnx with 8-bit feed-forward weights",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status.
    """
    return cli.run(export_model, get_parser(), argv)


def export_model(args: argparse.Namespace) -> None:
    """Export, check and report.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: A file of the experiment does not exist.
        ValueError: The model cannot be exported, or the exported graph differs from it.
    """
    config = read_experiment(args.model_dir, args.model_file)
    output = args.output or args.model_dir / "model.onnx"
    if output.suffix != ".onnx":
        raise ValueError(f"--output: {output} does not end in .onnx")
    if not output.parent.is_dir():
        raise FileNotFoundError(f"--output: there is no folder {output.parent}")
    try:
        import onnx_ir  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"{error.name} is not installed; utils/setup.sh installs it, or `pip install onnx "
            f"onnxscript onnxruntime`"
        ) from None
    from speechmoe_espnet.export.acoustic import AcousticModel
    from speechmoe_espnet.export.file import Traced, export
    from speechmoe_espnet.export.int8 import INT8
    from speechmoe_espnet.export.nodes import FLOAT32

    _say(f"loading {args.model_dir / args.model_file}")
    model = load_model(config, args.model_dir / args.model_file)
    acoustic = AcousticModel(model)
    if model.decoder is not None:
        _say("the model has an attention decoder, which is left out: its CTC head is exported")
    _say("tracing (a deep model takes a minute)")
    traced = Traced.of(acoustic, _metadata(args, config, model))
    targets = [(FLOAT32, output)]
    if args.int8:
        targets.append((INT8, output.with_suffix(".int8.onnx")))
    for precision, path in targets:
        _say(f"comparing {precision.name} with PyTorch")
        difference = export(traced, precision, path)
        size = path.stat().st_size / 1e6
        print(f"{path}: {size:.1f} MB, {precision.name}; against PyTorch on {difference}")
    _write_tokens(traced.metadata, output)


def _write_tokens(metadata: Any, output: Path) -> None:
    """Write the list of tokens that sherpa-onnx needs, if it can run the model."""
    from speechmoe_espnet.export.sherpa import other_features, sherpa_tokens, tokens_path

    if reason := other_features(metadata.fbank):
        _say(f"note: sherpa-onnx cannot compute these features ({reason}), so it cannot run this")
        return
    text = sherpa_tokens(metadata)
    path = tokens_path(output, text)
    write_text_atomically(path, text)
    print(f"{path}: {len(metadata.units)} tokens, for sherpa-onnx")


def _metadata(args: argparse.Namespace, config: dict[str, Any], model: Any) -> Any:
    from speechmoe_espnet.export import metadata as about
    from speechmoe_espnet.export.acoustic import least_frames, subsampling
    from speechmoe_espnet.export.file import OPSET

    fbank = feature_options(config, args.model_dir)
    if fbank is None:
        _say(
            f"note: no {args.model_dir / FBANK_FILE}, so the file cannot say how its features are "
            f"computed; examples that read recordings will refuse it"
        )
    size = config["input_size"] or (fbank or FbankConfig()).feature_size
    return about.Metadata(
        units=tuple(model.token_list),
        token_type=config["token_type"],
        fbank=None if fbank is None else asdict(fbank),
        num_features=size,
        sample_rate=(fbank or FbankConfig()).sample_frequency,
        subsampling=subsampling(model, size),
        least_frames=least_frames(model),
        precision="float32",
        opset=OPSET,
        stats_sha256=about.stats_sha256(model.normalize),
        config_sha256=file_sha256(args.model_dir / "config.yaml"),
        model_sha256=file_sha256(args.model_dir / args.model_file),
        versions=about.tool_versions(),
    )


def _say(text: str) -> None:
    print(f"export: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
