"""Run a training and show its progress: one line per epoch, and signs of life in between.

ESPnet's own log has hundreds of lines, too many for several trainings on one screen.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from speechmoe_espnet.pipeline.process import (
    Interrupted,
    end_with_parent,
    start,
    stop,
    stopping_signals_raise,
)
from speechmoe_espnet.system import cli

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_SIGNS_OF_LIFE = 15.0

_STARTED = re.compile(r"(\d+)/(\d+)epoch started(?:\. Estimated time to finish: (.*))?")
_RESULTS = re.compile(r"(\d+)epoch results: (.*)")
_BATCH = re.compile(r"(\d+)epoch:train:\d+-(\d+)batch")
_PART = re.compile(r"\[(train|valid)\] (.*?)(?=, \[|$)")
_SHOWN = ("loss", "loss_ctc", "cer_ctc", "cer")


class Progress:
    """Progress of a training, from the lines of its ESPnet log.

    Attributes:
        state: Current position in the training, in words.
    """

    def __init__(self) -> None:
        self.state = "starting"
        self._epochs = "?"
        self._remaining = ""

    def read(self, line: str) -> str | None:
        """Read a line of the log; return a line to show, or None."""
        if match := _STARTED.search(line):
            epoch, self._epochs, remaining = match.groups()
            self._remaining = f", ends in about {remaining}" if remaining else ""
            self.state = f"epoch {epoch}/{self._epochs}{self._remaining}"
            return None
        if match := _BATCH.search(line):
            epoch, batch = match.groups()
            self.state = f"epoch {epoch}/{self._epochs}, batch {batch}{self._remaining}"
            return None
        if match := _RESULTS.search(line):
            epoch, results = match.groups()
            self.state = f"epoch {epoch}/{self._epochs} finished"
            parts = "; ".join(
                f"{name} {figures}"
                for name, text in _PART.findall(results)
                if (figures := _figures(text))
            )
            return f"epoch {epoch}/{self._epochs}: {parts}"
        return None


def _figures(text: str) -> str:
    pairs = (word.partition("=") for word in text.split(", "))
    values = {name: value for name, _, value in pairs}
    return " ".join(f"{name} {values[name]}" for name in _SHOWN if values.get(name, "nan") != "nan")


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="watch_training",
        description=__doc__,
        usage="watch_training --name NAME --log FILE -- COMMAND [ARGUMENTS]",
    )
    parser.add_argument("--name", required=True, help="prefix of the shown lines")
    parser.add_argument("--log", type=Path, required=True, help="ESPnet's log, read as it grows")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the command's exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if "--" not in words:
        get_parser().parse_args(words)
        print("watch_training: error: no command given; write it after --", file=sys.stderr)
        return 2
    args = get_parser().parse_args(words[: words.index("--")])
    try:
        with stopping_signals_raise():
            return _watch(args.name, args.log, words[words.index("--") + 1 :])
    except Interrupted as error:
        print(f"{args.name}: stopped by {error}", file=sys.stderr)
        return 128 + error.signum


def _watch(name: str, log: Path, command: Sequence[str]) -> int:
    progress = Progress()
    lines = _new_lines(log)
    next(lines)  # lines of an earlier run
    child = start(command)
    shown = time.monotonic()
    try:
        running = True
        while running:
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=SECONDS_BETWEEN_LOOKS)
            running = child.returncode is None
            said = [text for line in next(lines) if (text := progress.read(line))]
            if not said and running:
                if time.monotonic() - shown < SECONDS_BETWEEN_SIGNS_OF_LIFE:
                    continue
                said = [progress.state]
            for text in said:
                print(f"{time.strftime('%H:%M:%S')} {name}: {text}", flush=True)
            shown = time.monotonic()
    except BaseException:
        stop(child)
        raise
    status = child.wait()
    return status if status >= 0 else 128 - status


def _new_lines(log: Path) -> Iterator[list[str]]:
    """Yield the complete lines written to the log since the last call."""
    position, inode = 0, -1
    while True:
        lines: list[str] = []
        if log.exists():
            now = log.stat()
            if inode != now.st_ino or now.st_size < position:
                position, inode = 0, now.st_ino
            with open(log, "rb") as file:
                file.seek(position)
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            position += len(whole)
            lines = whole.decode("utf-8", errors="replace").splitlines()
        yield lines


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main())
