"""Print the path of a configuration that ships with this package, or list them."""

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path

from speechmoe_espnet.system import cli

PACKAGE = "speechmoe_espnet"
FOLDER = "conf"


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="conf",
        description=__doc__,
        epilog='For instance: asr_train --config "$(speechmoe conf train_speechmoe)"',
    )
    parser.add_argument("name", nargs="?", help="its name, with or without .yaml; none lists all")
    return parser


def folder() -> Path:
    """Return the folder of configurations: of the installed package, or of a clone."""
    package = Path(str(resources.files(PACKAGE)))
    inside, beside = package / FOLDER, package.parent / FOLDER
    return inside if inside.is_dir() else beside


def print_path(args: argparse.Namespace) -> None:
    """Print one path, or a line for each configuration.

    Args:
        args: What `get_parser` reads.

    Raises:
        ValueError: There is no such configuration.
    """
    home = folder()
    files = {
        str(path.relative_to(home).with_suffix("")): path for path in sorted(home.rglob("*.yaml"))
    }
    if args.name is None:
        print("\n".join(str(path) for path in files.values()))
        return
    name = args.name.removesuffix(".yaml")
    if name not in files:
        close = get_close_matches(name, files, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(files)}"
        raise ValueError(f"no configuration {args.name!r}; {hint}")
    print(files[name])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return cli.run(print_path, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
