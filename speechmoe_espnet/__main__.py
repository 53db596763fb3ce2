"""Entry point of all commands: `python -m speechmoe_espnet COMMAND --help`."""

import ast
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from speechmoe_espnet import __version__, bin

PROGRAM = "speechmoe"


def commands() -> dict[str, str]:
    """Return each command and its one-line description, without importing the commands."""
    found = {}
    for module in pkgutil.iter_modules(bin.__path__):
        source = Path(bin.__path__[0], f"{module.name}.py").read_text(encoding="utf-8")
        found[module.name] = (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Name and arguments of the command; None reads sys.argv.

    Returns:
        Exit status of the command; 2 for an unknown command.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    known = commands()
    if not words or words[0] in ("-h", "--help"):
        print(f"Usage: {PROGRAM} COMMAND [options]\n\nCommands:")
        width = max(map(len, known))
        for name, text in known.items():
            print(f"  {name:<{width}}  {text}")
        print(f"\n{PROGRAM} COMMAND --help shows the options of a command.")
        return 0 if words else 2
    if words[0] == "--version":
        print(f"{PROGRAM} {__version__}")
        return 0
    name = words[0].replace("-", "_")
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"{PROGRAM} --help lists them"
        print(f"{PROGRAM}: error: no command {words[0]!r}; {hint}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"{bin.__name__}.{name}")
    return int(module.main(words[1:]))


if __name__ == "__main__":
    sys.exit(main())
