"""Filter of lines that ESPnet writes at every start and nobody needs.

Defect: importing ESPnet tells on stderr of an optional package that is not there, and each model of
CTC alone is warned of having no decoder. Version: espnet 202611. Other words pass.
"""

import contextlib
import io
import logging
import sys
from collections.abc import Iterator
from typing import TextIO

_NOISE = ("Failed to import Flash Attention", "Set decoder to none as ctc_weight==1.0")


@contextlib.contextmanager
def without_known_noise() -> Iterator[None]:
    """Import ESPnet and build a model in this context without these words."""
    root, lines = logging.getLogger(), _Lines(sys.stderr)
    root.addFilter(_is_news)
    try:
        with contextlib.redirect_stderr(lines):
            yield
    finally:
        root.removeFilter(_is_news)
        lines.end()


class _Lines(io.TextIOBase):
    """Lines pass as soon as they end, but for noise."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out, self._line = out, ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if not line.startswith(_NOISE):
                self._out.write(f"{line}\n")
        return len(text)

    def end(self) -> None:
        self._out.write(self._line)


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_NOISE)
