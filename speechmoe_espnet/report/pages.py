"""Pages: what templates are given, and how they become one self-contained file of HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from speechmoe_espnet.report.palette import COLOURS, css
from speechmoe_espnet.scoring.bootstrap import Interval

SYNTHETIC_NOTE = (
    "The corpora behind these figures are synthetic: sentences from public text packages, "
    "spoken by a formant synthesiser with simulated telephones, rooms and noise. They are a "
    "small, honest stand-in that anyone can regenerate. The error rates say "
    "nothing about human speech, and what helps here need not help there."
)


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What it says, plain text.
        small: What stands behind it in small letters, plain text.
        verdict: `better`, `worse` or anything else: gives the text its colour.
    """

    text: str
    small: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Table:
    """A table; on a phone each row becomes a block of lines where there are many columns.

    Attributes:
        head: Names of the columns.
        rows: Cells, as many a row as there are columns; text stands for a cell of plain text.
        total: Whether the last row is the sum of the others.
    """

    head: Sequence[str | Cell]
    rows: Sequence[Sequence[str | Cell]]
    total: bool = False

    @property
    def wide(self) -> bool:
        """Whether it is too wide for a phone."""
        return len(self.head) > 3


@dataclass(frozen=True)
class Chart:
    """A chart on a page.

    Attributes:
        title: What stands above.
        explanation: What stands below the title.
        svg: What `figure.inline_svg` returned.
    """

    title: str
    explanation: str
    svg: Markup


def interval_cells(interval: Interval, mark: str = "") -> list[Cell]:
    """Return a relative change with its interval, and its verdict.

    Args:
        interval: The change, as a share.
        mark: What stands behind the interval.
    """
    ends = f"[{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]{mark}"
    return [
        Cell(f"{100 * interval.mean:+.1f} %", ends),
        Cell(interval.verdict, verdict=interval.verdict),
    ]


def render(template: str, **context: Any) -> str:
    """Write a page.

    Args:
        template: Name of a file in `templates`.
        **context: What it shows; all text is escaped.

    Returns:
        HTML that requests nothing from anywhere.
    """
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("speechmoe_espnet.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["css"] = css
    environment.globals["colours"] = Markup(COLOURS)
    return environment
