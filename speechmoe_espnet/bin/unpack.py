"""Write a packed model as an experiment of a recipe, to decode with or to start a training from."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.espnet.checkpoint_file import read_state
from speechmoe_espnet.system import cli
from speechmoe_espnet.zoo.unpacking import TrainedModel


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(prog="unpack", description=__doc__)
    parser.add_argument(
        "--model",
        required=True,
        help="a packed model (folder, zip, name of a shipped one, OWNER/NAME of the Hugging Face "
        "Hub) or an experiment directory",
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="directory to write")
    return parser


def unpack(args: argparse.Namespace) -> None:
    """Write the experiment.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: There is no such model.
        ValueError: It is damaged, or no recipe has its features or tokens.
    """
    model = TrainedModel.find(args.model)
    read_state(model.checkpoint)
    model.unpack(args.output_dir)
    print(f"{model.name}: {len(model.tokens.units)} units ({model.token_type})")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return cli.run(unpack, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
