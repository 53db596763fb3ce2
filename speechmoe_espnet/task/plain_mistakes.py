"""One line for a user's mistake under ESPnet3.

Defect: ESPnet3 logs the traceback of every error of a stage and raises it again, and Hydra wraps
what a class that it builds has raised. Version: espnet 202611, hydra 1.3. Errors of others keep
their tracebacks.
"""

import logging
import sys
from collections.abc import Iterator
from types import TracebackType

from speechmoe_espnet.system.cli import is_own_mistake, said

STAGES_LOGGER = "espnet3"


def tell_mistakes_in_one_line() -> None:
    """Show what this package refuses without a traceback, for the rest of this process.

    Calling it again changes nothing.
    """
    logger = logging.getLogger(STAGES_LOGGER)
    if not any(isinstance(found, _WithoutTraceback) for found in logger.filters):
        logger.addFilter(_WithoutTraceback())
    if not isinstance(sys.excepthook, _Hook):
        sys.excepthook = _Hook(sys.excepthook)


def own_mistake(error: BaseException | None) -> BaseException | None:
    """Return the mistake that an error is, or that it was raised from; None where it is none."""
    return next((found for found in _causes(error) if is_own_mistake(found)), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


class _WithoutTraceback(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        mistake = own_mistake(record.exc_info[1]) if record.exc_info else None
        if isinstance(mistake, Exception):
            record.msg = f"{record.getMessage()}: {said(mistake)}"
            record.args = ()
            record.exc_info = record.exc_text = None
        return True


class _Hook:
    def __init__(self, before: object) -> None:
        self.before = before

    def __call__(
        self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        mistake = own_mistake(error)
        if isinstance(mistake, Exception):
            print(f"espnet3: error: {said(mistake)}", file=sys.stderr)
        elif callable(self.before):
            self.before(kind, error, traceback)
