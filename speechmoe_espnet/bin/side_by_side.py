"""Run one or more commands side by side, and leave none behind.

Where one fails, we are stopped, or the script that started us is killed, all are ended with all
that they started: a script runs a long command through this one, because bash cannot promise that.
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

SECONDS_BETWEEN_LOOKS = 0.05
SEPARATOR = "--and"


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    return cli.ArgumentParser(
        prog="side_by_side",
        description="Run commands side by side; where one fails or we are stopped, all are ended.",
        usage=f"side_by_side -- COMMAND [ARGUMENTS] [{SEPARATOR} COMMAND [ARGUMENTS]]...",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 where every command ended well, else the first bad exit status.
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
