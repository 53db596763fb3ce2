"""Decode data directories with an exported model: hypotheses and real-time factor.

This is the counterpart of `decode` for files of `export`: the same searches, batches and output
files, with onnxruntime instead of PyTorch and without ESPnet. The loss of accuracy by an export or
int8 weights is therefore measured by the same scoring as for any model.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.decode.resources import Resources
from speechmoe_espnet.inference.onnx_model import load_onnx
from speechmoe_espnet.inference.set_decoding import decode_set, list_sets
from speechmoe_espnet.inference.utterances import list_features
from speechmoe_espnet.system import cli
from speechmoe_espnet.system.provenance import machine, machine_words


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="decode_onnx", description="Decode data directories with an exported model."
    )
    parser.add_argument("--model", type=Path, required=True, help="model.onnx of export")
    parser.add_argument(
        "--config", type=Path, required=True, help="decode YAML, e.g. conf/decode_ctc_greedy.yaml"
    )
    parser.add_argument(
        "--data_dirs", type=Path, nargs="+", required=True, help="directories with feats.scp"
    )
    parser.add_argument(
        "--output_dir",
        type=Path,
        required=True,
        help="directory to write, one subdirectory per set",
    )
    parser.add_argument(
        "--graph_dir", type=Path, help="decoding graph (make_graph), for method wfst"
    )
    parser.add_argument("--ngram", type=Path, help="ARPA file over tokens, for ctc_prefix_beam")
    parser.add_argument("--num_threads", type=int, default=1, help="number of onnxruntime threads")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status.
    """
    return cli.run(decode, get_parser(), argv)


def decode(args: argparse.Namespace) -> None:
    """Decode every set and write its results.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: The model, configuration or a table does not exist.
        ValueError: An option, the model or an utterance is not valid.
    """
    if args.num_threads < 1:
        raise ValueError(f"--num_threads must be at least 1, got {args.num_threads}")
    config = DecodeConfig.from_yaml(args.config)
    sets = list_sets(args.data_dirs, args.output_dir, list_features)
    recognizer, _ = load_onnx(
        args.model,
        config,
        num_threads=args.num_threads,
        graph_dir=args.graph_dir,
        ngram=args.ngram,
    )
    resources = Resources(1, args.num_threads, "CPU", machine_words(machine()))
    for name, utterances in sets.items():
        decode_set(
            partial(map, recognizer.recognize),
            config,
            utterances,
            args.output_dir / name,
            resources,
        )


if __name__ == "__main__":
    sys.exit(main())
