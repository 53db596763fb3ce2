"""Open a local page: microphone or file in; text, times and the work of the experts out.

Needs the extra `demo` (Gradio). Ctrl-C ends it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechmoe_espnet.system import cli
from speechmoe_espnet.zoo.shipped import DEFAULT, DEFAULT_BASELINE

if TYPE_CHECKING:
    from speechmoe_espnet.demo.hearing import System

PORT = 7860


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="demo",
        description="Open a local page that transcribes a microphone or a file and shows what the "
        "experts do. Recordings stay on this machine and are deleted after use.",
        epilog="Ctrl-C ends it. Browsers give a microphone to pages of the own machine only (or "
        "of https): from elsewhere, forward the port (ssh -L 7860:127.0.0.1:7860 HOST).",
    )
    parser.add_argument(
        "--model",
        help="packed model (folder, zip, name, OWNER/NAME of the Hub), experiment, or .onnx file "
        f"(default: {DEFAULT}, where it ships)",
    )
    parser.add_argument(
        "--baseline",
        help="second model to stand beside it, such as a dense one "
        f"(default: {DEFAULT_BASELINE}, where it ships and --model is not given)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=PORT, help="port; 0: any that is free")
    parser.add_argument("--ngpu", type=int, choices=(0, 1), default=0, help="number of GPUs")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status.
    """
    return cli.run(demo, get_parser(), argv)


def demo(args: argparse.Namespace) -> None:
    """Serve the page until it is ended.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: There is no such model.
        ValueError: No model is given and none ships, a model is damaged, the port is in use, or
            Gradio is not installed.
    """
    from speechmoe_espnet.demo.server import address_of, ended_by_signals, open_socket, serve

    names = model_names(args.model, args.baseline)

    def make_page(uploads: Path) -> Any:
        from speechmoe_espnet.demo.page import import_gradio, make_app

        gradio = import_gradio(uploads)
        return make_app(gradio, load_systems(names, args.ngpu), uploads)

    with open_socket(args.host, args.port) as listening, ended_by_signals():
        ready = f"The page is at {address_of(listening)} (Ctrl-C ends it)"
        serve(make_page, listening, ready)


def model_names(model: str | None, baseline: str | None) -> list[str]:
    """Return the models to load, the baseline last.

    Args:
        model: As given; None: the shipped one.
        baseline: As given; None: the shipped one if `model` is None too, else none.

    Raises:
        ValueError: No model is given and none ships.
    """
    from speechmoe_espnet.zoo.shipped import shipped_models

    shipped = shipped_models()
    if model is None:
        if DEFAULT not in shipped:
            raise ValueError(
                "no model ships with this version; give --model a packed model (`speechmoe pack`) "
                "or an experiment, such as egs/mix/asr1/exp/synthetic/speechmoe"
            )
        model = DEFAULT
        if baseline is None and DEFAULT_BASELINE in shipped:
            baseline = DEFAULT_BASELINE
    return [model] if baseline is None else [model, baseline]


def load_systems(names: Sequence[str], num_gpus: int) -> list["System"]:
    """Load models.

    Args:
        names: As `load_transcriber` takes them.
        num_gpus: 0 or 1.

    Raises:
        FileNotFoundError: There is no such model.
        ValueError: A model is damaged, or there is no GPU.
    """
    from speechmoe_espnet.demo.hearing import System
    from speechmoe_espnet.inference.load_transcriber import load_transcriber
    from speechmoe_espnet.inference.speech_finder import SILERO, make_speech_finder

    find_speech = make_speech_finder(SILERO)
    titles = [Path(name).name.removesuffix(".zip") for name in names]
    if len(set(titles)) < len(titles):
        titles = list(names)
    return [
        System(title, load_transcriber(name, None, find_speech, num_gpus=num_gpus))
        for title, name in zip(titles, names, strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main())
