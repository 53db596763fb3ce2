"""Command line services: option spelling, error messages and progress.

Options are written with underscores as in ESPnet; dashes are accepted as well. A user's
mistake ends a command with one line on stderr and exit status 1, without a traceback.
"""

import argparse
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence

from speechmoe_espnet.system.os_errors import in_words

SECONDS_BETWEEN_LINES = 10.0
LONGEST_LINE = 2000
OUT_OF_MEMORY = "not enough memory; close other programs, or give fewer or shorter files at a time"
_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]")


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Help that marks required options and shows defaults, except None, False and empty lists."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = action.default
        if action.required and action.option_strings:
            return f"{action.help} (required)"
        if default is None or default is False or "default:" in (action.help or ""):
            return action.help
        if isinstance(default, list | tuple):
            return (
                f"{action.help} (default: {' '.join(map(str, default))})"
                if default
                else action.help
            )
        return super()._get_help_string(action)


class ArgumentParser(argparse.ArgumentParser):
    """argparse with `HelpFormatter`, `--a-b` read as `--a_b`, and no abbreviations.

    Control characters are refused: a line break in a value would end the line of a table, a plan
    or a log that it is written to, and what follows it would be lost or read as something else.
    """

    def __init__(self, **kwargs: object) -> None:
        kwargs.setdefault("formatter_class", HelpFormatter)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(**kwargs)  # type: ignore[arg-type]

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse as argparse does, after replacing dashes in option names by underscores."""
        words = list(sys.argv[1:] if args is None else args)
        for word in words:
            if _CONTROL.search(word):
                self.error(f"a control character, such as a line break or a tab, is in {word!r}")
        return super().parse_known_args([_underscored(word) for word in words], namespace)


def _underscored(word: str) -> str:
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


def run(
    command: Callable[[argparse.Namespace], None],
    parser: ArgumentParser,
    argv: Sequence[str] | None,
) -> int:
    """Parse argv and run a command.

    Args:
        command: Called with the parsed arguments.
        parser: Parser of the command.
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status: 0; 1 if the command raised ValueError, OSError or MemoryError. If the reader
        of the output has ended (`| head`), the status of a program ended by SIGPIPE, without one.
    """
    args = parser.parse_args(argv)
    try:
        command(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Discard buffered output; otherwise Python reports an error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (ValueError, OSError) as error:
        print(f"{parser.prog}: error: {said(error)}", file=sys.stderr)
        return 1
    except MemoryError:
        print(f"{parser.prog}: error: {OUT_OF_MEMORY}", file=sys.stderr)
        return 1
    return 0


def said(error: Exception) -> str:
    """Return what a user is told of an error, without the middle of a line that is too long.

    Messages quote files, and a damaged file may be one line of a million characters. Lists of
    faults have a line each.
    """
    text = in_words(error) if isinstance(error, OSError) else str(error)
    return "\n".join(map(_short, (text or type(error).__name__).split("\n")))


def _short(line: str) -> str:
    line = _CONTROL.sub(" ", line)
    half = LONGEST_LINE // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:half]} ... {line[-half:]}"


def run_espnet(name: str, command: Callable[[], object]) -> int:
    """Run a command of ESPnet; a mistake that this package found is one line on stderr.

    Args:
        name: Name of the command.
        command: Runs it.

    Returns:
        Exit status: 0; 1 if code of this package raised ValueError or OSError.

    Raises:
        Exception: Other code failed, so that the traceback is needed.
    """
    try:
        command()
    except (ValueError, OSError) as error:
        if not is_own_mistake(error):
            raise
        print(f"{name}: error: {said(error)}", file=sys.stderr)
        return 1
    return 0


def is_own_mistake(error: BaseException) -> bool:
    """Return whether an error is a user's mistake that code of this package found and explains."""
    if not isinstance(error, ValueError | OSError) or error.__traceback__ is None:
        return False
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals["__name__"]).startswith("speechmoe_espnet.")


def progress[T](
    items: Iterable[T], total: int, desc: str, amount: Callable[[T], float] = lambda _: 1
) -> Iterator[T]:
    """Yield items and show the progress.

    A terminal gets a bar; a log file gets a line every ten seconds, with the time that is left at
    the rate so far, and one at the end.

    Args:
        items: Items to yield.
        total: Number of items, or sum of their amounts.
        desc: Description of the items.
        amount: How much an item counts; default: 1.
    """
    if sys.stderr.isatty():
        from tqdm import tqdm  # commands that show no bar start sooner without it

        with tqdm(total=total, desc=desc, unit="item") as bar:
            for item in items:
                yield item
                bar.update(amount(item))
        return
    begun = last = time.monotonic()
    count = 0.0
    for item in items:
        yield item
        count += amount(item)
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES and count:
            left = _duration((now - begun) / count * max(0, total - count))
            print(f"{desc}: {count:.0f}/{total}, {left} left", file=sys.stderr, flush=True)
            last = now
    print(f"{desc}: {count:.0f}/{total} done", file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def with_plain_percents(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Return a parser in whose help texts a bare % is one; argparse would refuse it."""
    for action in parser._actions:
        if action.help and action.help != argparse.SUPPRESS:
            action.help = re.sub(r"%(?![(%])", "%%", action.help)
    return parser
