"""Run commands in parallel, and stop all of them if one fails.

All commands and their children are also stopped if this process is stopped, or if the script that
started it is killed. Scripts run long commands this way, because bash alone cannot ensure it.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from speechmoe_espnet.pipeline.process import (
    Interrupted,
    end_with_parent,
    start,
    stop,
    stopping_signals_raise,
)
from speechmoe_espnet.system import cli

SECONDS_BETWEEN_LOOKS = 0.2
SEPARATOR = "--and"


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    return cli.ArgumentParser(
        prog="side_by_side",
        description="Run commands in parallel; stop all if one fails or this one is stopped.",
        usage=f"side_by_side -- COMMAND [ARGUMENTS] [{SEPARATOR} COMMAND [ARGUMENTS]]...",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 if every command succeeded, else the first exit status other than 0.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    before = words[: words.index("--")] if "--" in words else words
    get_parser().parse_args(before)
    commands = _split(words[len(before) + 1 :])
    if not all(commands):
        print("side_by_side: error: a command is missing; see --help", file=sys.stderr)
        return 2
    try:
        with stopping_signals_raise():
            return _run(commands)
    except Interrupted as error:
        return 128 + error.signum
    except OSError as error:
        print(f"side_by_side: error: {error}", file=sys.stderr)
        return 1


def _split(words: Sequence[str]) -> list[list[str]]:
    commands: list[list[str]] = [[]]
    for word in words:
        if word == SEPARATOR:
            commands.append([])
        else:
            commands[-1].append(word)
    return commands


def _run(commands: Sequence[Sequence[str]]) -> int:
    running = {}
    try:
        for command in commands:
            running[start(command)] = command
        while running:
            for child in [child for child in running if child.poll() is not None]:
                command = running.pop(child)
                if child.returncode != 0:
                    others = "; stopping the others" if running else ""
                    print(
                        f"side_by_side: error: {' '.join(command)} failed with status "
                        f"{child.returncode}{others}",
                        file=sys.stderr,
                    )
                    return child.returncode if child.returncode > 0 else 128 - child.returncode
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return 0
    finally:
        for child in running:
            stop(child)


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main())
