"""Pieces of HTML that every page is made of."""

from collections.abc import Mapping, Sequence
from html import escape

from speechmoe_espnet.report.style import STYLE
from speechmoe_espnet.report.svg import element
from speechmoe_espnet.scoring.bootstrap import Interval


def document(title: str, sections: Sequence[str]) -> str:
    """Write a whole page out of sections that are already HTML."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><title>{escape(title)}</title><style>{STYLE}</style>'
    )
    body = "\n".join(sections)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def heading(title: str, explanation: str = "") -> str:
    """Write a heading and, where there is one, an explanation; both plain text."""
    html = element("h2", escape(title))
    return html + (element("p", escape(explanation), class_="faint") if explanation else "")


def fit(chart: str) -> str:
    """Let a chart shrink on narrow screens, and scroll below a readable size."""
    return element("div", chart, class_="scroll fit")


def scroll(content: str) -> str:
    """Let wide content scroll."""
    return element("div", content, class_="scroll")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, class_: str = "plain") -> str:
    """Write a table from cells that are already HTML; a `headline` ends with its total."""
    html = element("tr", "".join(element("th", cell or "&#8203;") for cell in head))
    for index, row in enumerate(rows):
        attributes = {"class": "total"} if class_ == "headline" and index == len(rows) - 1 else {}
        html += element("tr", "".join(element("td", cell) for cell in row), **attributes)
    return scroll(element("table", html, class_=class_))


def legend(colours: Mapping[str, str], *, with_dashes: bool = False) -> str:
    """Explain colours and, where asked for, full and dashed lines."""
    items = [
        element("span", element("i", "&#8203;", style=f"background:{colour}") + escape(name))
        for name, colour in colours.items()
    ]
    if with_dashes:
        items.append(element("span", element("i", "&#8203;", class_="full") + "validation"))
        items.append(element("span", element("i", "&#8203;", class_="dash") + "training"))
    return element("div", "".join(items), class_="legend")


def facts_table(rows: Sequence[tuple[str, object]]) -> str:
    """Write names and what belongs to them, plain text."""
    html = "".join(
        element("tr", element("td", escape(key)) + element("td", escape(str(value))))
        for key, value in rows
    )
    return element("table", html, class_="facts")


def interval_cells(interval: Interval) -> list[str]:
    """Write a relative change with its interval, and its verdict."""
    return [
        f"{100 * interval.mean:+.1f} % <span class=small>[{100 * interval.low:+.1f}, "
        f"{100 * interval.high:+.1f}]</span>",
        verdict_span(interval.verdict, interval.verdict),
    ]


def verdict_span(verdict: str, words: str) -> str:
    """Write words in the colour of a verdict."""
    return element("span", words, class_=verdict if verdict in ("better", "worse") else "plain")
