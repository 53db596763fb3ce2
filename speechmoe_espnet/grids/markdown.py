"""A grid's tables as Markdown, and files whose generated sections are written anew.

Numbers of a results file are never typed: they stand between markers that a command replaces.
"""

import textwrap
from collections.abc import Callable, Sequence

from speechmoe_espnet.grids.summary import Rate, Summary, SystemSummary
from speechmoe_espnet.grids.table_cells import COST_HEAD, cost_rows, rate_words
from speechmoe_espnet.results.comparison import Provenance, short_commit
from speechmoe_espnet.scoring.seeds import SeedInterval
from speechmoe_espnet.system.provenance import machine_words

_COLUMNS = 110
_BEGIN, _END = "<!-- begin generated: {} -->", "<!-- end generated: {} -->"


def tables(summary: Summary, provenance: Provenance) -> str:
    """Write all tables of a grid, each with how it came about.

    Args:
        summary: The systems.
        provenance: How they came about; `meta` holds the command.

    Returns:
        Markdown that ends with a newline.
    """
    origin = origin_line(summary, provenance)
    metric = summary.metric.upper()
    parts = [
        _titled(f"{metric} in percent: mean over seeds ± standard deviation.", origin),
        rate_table(summary),
    ]
    if summary.compared:
        words = (
            f"Errors saved against {summary.control}, relative, in percent: mean over seeds and "
            f"95 % interval of utterances and seeds; bold where it excludes zero."
        )
        if any(not change.covers_seeds for change in _changes(summary)):
            words += " An asterisk marks intervals of one seed: they cover utterances only."
        parts += [_titled(words, origin), change_table(summary)]
    if any(system.unit_rates for system in summary.systems.values()):
        words = "SER in percent (syllables and phones): mean over seeds ± standard deviation."
        parts += [_titled(words, origin), unit_table(summary)]
    words = "Cost and CTC losses, means over seeds: the lowest on dev, the last in training."
    parts += [_titled(words, origin), cost_table(summary)]
    if settings := settings_table(summary):
        parts += [_titled("What the grid set.", origin), settings]
    return "\n".join(parts)


def headline(summary: Summary, provenance: Provenance, details: str) -> str:
    """Write the one table that answers a grid's question, and where the others are.

    Args:
        summary: The systems.
        provenance: How they came about; `meta` holds the command.
        details: Where the other tables are, relative to the file that gets this one.

    Returns:
        Markdown that ends with a newline.
    """
    words = f"{summary.metric.upper()} in percent: mean over seeds ± standard deviation."
    head = ["system", *summary.places]
    rows = {
        name: [" ".join(rate_words(system.rates[place])) for place in summary.places]
        for name, system in summary.systems.items()
    }
    if summary.compared:
        total = summary.places[-1]
        words += (
            f" Saved: errors of {total} saved against {summary.control}, relative, in percent, "
            f"with a 95 % interval; bold where it excludes zero."
        )
        if any(not change.covers_seeds for change in _changes(summary)):
            words += " An asterisk marks intervals of one seed: they cover utterances only."
        head.append("saved")
        saved = {item.name: _change_cell(item.changes[total]) for item in summary.compared}
        rows = {name: [*cells, saved.get(name, "")] for name, cells in rows.items()}
    link = f"[By set, cost, settings]({details})."
    return "\n".join(
        [
            _titled(words, origin_line(summary, provenance)),
            table(head, [[name, *cells] for name, cells in rows.items()]),
            f"{link}\n",
        ]
    )


def rate_table(summary: Summary) -> str:
    """Write error rates, a row a system and a column a set."""
    return _rate_table(summary, lambda system: system.rates)


def unit_table(summary: Summary) -> str:
    """Write error rates in units, of the systems that have them."""
    return _rate_table(summary, lambda system: system.unit_rates)


def change_table(summary: Summary) -> str:
    """Write relative changes from the control, a row a system and a column a set."""
    rows = [
        [system.name, *(_change_cell(system.changes[place]) for place in summary.places)]
        for system in summary.compared
    ]
    return table(["system", *summary.places], rows)


def cost_table(summary: Summary) -> str:
    """Write what each system costs, and its losses."""
    return table(COST_HEAD, cost_rows(summary))


def settings_table(summary: Summary) -> str:
    """Write what the grid set, first what all systems share; nothing where it set nothing."""
    rows = [
        [name, ", ".join(f"`{words}`" for words in settings) or "-"]
        for name, settings in settings_rows(summary)
    ]
    if all(cells == "-" for _, cells in rows):
        return ""
    return table(["system", "settings"], rows, left=2)


def settings_rows(summary: Summary) -> list[tuple[str, list[str]]]:
    """Return what the grid set, as `key: value`: what all systems share, then each one's own."""
    settings = {
        name: [f"{key}: {value}" for key, value in system.settings.items()]
        for name, system in summary.systems.items()
    }
    if len(settings) == 1:
        return list(settings.items())
    first, *others = settings.values()
    shared = [words for words in first if all(words in other for other in others)]
    rows = [("all systems", shared)] if shared else []
    for name, own in settings.items():
        rows.append((name, [words for words in own if words not in shared]))
    return rows


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Write a table.

    Args:
        head: Names of the columns.
        rows: Cells, as many a row as there are columns.
        left: Leading columns that are aligned to the left, the others to the right.

    Returns:
        Markdown that ends with a newline.
    """
    rule = ["---" if index < left else "---:" for index in range(len(head))]
    lines = ["| " + " | ".join(map(_escape, row)) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "|".join(rule) + "|", *lines[1:]]) + "\n"


def origin_line(summary: Summary, provenance: Provenance) -> str:
    """Say by which command, commits, machine and seeds figures came about, in one sentence."""
    systems = summary.systems.values()
    commits = dict.fromkeys(short_commit(item) for system in systems for item in system.commits)
    meta = [
        f"{key} `{value}`" if key == "command" else f"{key} {value}"
        for key, value in provenance.meta.items()
    ]
    parts = [
        *meta,
        f"{'commit' if len(commits) == 1 else 'commits'} {', '.join(commits)}",
        f"machine {machine_words(provenance.machine)}",
        seeds_words(summary),
    ]
    sentence = "; ".join(parts) + "."
    return sentence[0].upper() + sentence[1:]


def seeds_words(summary: Summary) -> str:
    """Say which seeds the systems have."""
    by_seeds: dict[tuple[int, ...], list[str]] = {}
    for system in summary.systems.values():
        by_seeds.setdefault(system.seeds, []).append(system.name)
    if len(by_seeds) == 1:
        return f"seeds {_listed(next(iter(by_seeds)))}"
    return "seeds " + ", ".join(
        f"{_listed(seeds)} ({', '.join(names)})" for seeds, names in by_seeds.items()
    )


def replace_section(text: str, name: str, markdown: str) -> str:
    """Replace what stands between the markers of a generated section.

    The markers are lines of their own, `<!-- begin generated: NAME -->` and
    `<!-- end generated: NAME -->`.

    Args:
        text: A Markdown file.
        name: Name of the section.
        markdown: What stands there from now on, without markers.

    Returns:
        The file; everything outside the section is as it was.

    Raises:
        ValueError: A marker is missing, stands there twice or after its partner, or the new
            text holds one.
    """
    begin, end = _BEGIN.format(name), _END.format(name)
    for marker in (begin, end):
        if marker in markdown:
            raise ValueError(f"section {name}: the new text holds the marker {marker}")
    lines = text.split("\n")
    places = []
    for marker in (begin, end):
        found = [index for index, line in enumerate(lines) if line.strip() == marker]
        if len(found) != 1:
            raise ValueError(
                f"section {name}: expected one line {marker}, found {len(found)}; write the "
                f"markers {begin} and {end} once, where the tables shall stand"
            )
        places += found
    first, last = places
    if first > last:
        raise ValueError(
            f"section {name}: {end} stands in line {last + 1}, before {begin} in line "
            f"{first + 1}; exchange them"
        )
    content = markdown.strip("\n")
    inside = ["", *content.split("\n"), ""] if content else []
    return "\n".join([*lines[: first + 1], *inside, *lines[last:]])


def _rate_table(summary: Summary, rates_of: Callable[[SystemSummary], dict[str, Rate]]) -> str:
    rates = {
        system.name: found for system in summary.systems.values() if (found := rates_of(system))
    }
    rows = [
        [name, *(" ".join(rate_words(found[place])) for place in summary.places)]
        for name, found in rates.items()
    ]
    return table(["system", *summary.places], rows)


def _change_cell(change: SeedInterval) -> str:
    interval = change.interval
    mean, low, high = (100 * value for value in (interval.mean, interval.low, interval.high))
    decided = interval.verdict in ("better", "worse")
    words = f"**{mean:+.1f}**" if decided else f"{mean:+.1f}"
    return f"{words} [{low:+.1f}, {high:+.1f}]" + ("" if change.covers_seeds else " \\*")


def _changes(summary: Summary) -> list[SeedInterval]:
    return [change for system in summary.compared for change in system.changes.values()]


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _titled(words: str, origin: str) -> str:
    lines = textwrap.wrap(f"{words} {origin}", _COLUMNS, break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
