"""The result as a plain table for a terminal, no wider than 100 columns."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from speechmoe_espnet.results.comparison import (
    TRIAL_NOTE,
    commit_note,
    is_trial,
    percent_waiting,
)
from speechmoe_espnet.results.decoding import Decoding, decoding_rows
from speechmoe_espnet.scoring.bootstrap import Interval

MAX_COLUMNS = 100
_GAP = "  "


def text_table(results: Mapping[str, Any], *, intervals: bool = False) -> str:
    """Format the headline of a report.

    Args:
        results: What `build_results` returns.
        intervals: Whether to show the 95 % bootstrap interval of each set's error rate.

    Returns:
        Error rates by set and system, the comparison of the two compared systems, error rates
        in units and settings of decoding where they are known, and what each system costs; a
        note where commits differ; ends with a newline.
    """
    systems, sets = results["systems"], list(next(iter(results["systems"].values()))["sets"])
    metric = results["metric"].upper()
    lines = [f"{metric} in % (lower is better)"]
    first = next(iter(systems.values()))
    rows = [
        [name, str(counts["num_utts"]), str(counts["num_chars"])]
        for name, counts in [*first["sets"].items(), ("total", first["total"])]
    ]
    columns = {
        name: [_rate(system, set_name, interval=intervals) for set_name in sets]
        + [f"{system['total']['cer']:.2f}"]
        for name, system in systems.items()
    }
    unit = "chars" if results["metric"] == "cer" else "syllables"
    lines += _tables(["set", "utts", unit], rows, columns)
    if is_trial(results["meta"]):
        lines += ["", *textwrap.wrap(TRIAL_NOTE, MAX_COLUMNS)]
    elif results["relative_change"]:
        lines += ["", *_comparison(results)]
    if any(system.get("ser") for system in systems.values()):
        lines += ["", *_syllables(systems)]
    if any(system.get("mer") for system in systems.values()):
        lines += ["", *_mixed(systems)]
    lines += _decoding(systems)
    lines += ["", "Cost"]
    costs = {name: _cost(system) for name, system in systems.items()}
    labels = [[label] for label in next(iter(costs.values()))]
    lines += _tables([""], labels, {name: list(cost.values()) for name, cost in costs.items()})
    if note := commit_note(results):
        lines += ["", *textwrap.wrap(f"Note: {note}", MAX_COLUMNS)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _rate(system: Mapping[str, Any], set_name: str, *, interval: bool) -> str:
    rate = f"{system['sets'][set_name]['cer']:.2f}"
    if not interval:
        return rate
    found = system["cer_interval"][set_name]
    return f"{rate} [{found['low']:.1f}, {found['high']:.1f}]"


def _comparison(results: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, fields in [
        *results["relative_change"].items(),
        ("total", results["relative_change_total"]),
    ]:
        interval = Interval(**fields)
        rows.append(
            [
                name,
                f"{100 * interval.mean:+.1f} %",
                f"{100 * interval.low:+.1f} %",
                f"{100 * interval.high:+.1f} %",
                interval.verdict,
            ]
        )
    return [
        f"{results['candidate']} against {results['control']}: errors saved, relative, with "
        "95 % paired bootstrap interval",
        *_columns([["set", "saved", "low", "high", "verdict"], *rows], left=(0, 4)),
    ]


def _mixed(systems: Mapping[str, Any]) -> list[str]:
    known = {name: system["mer"] for name, system in systems.items() if system.get("mer")}
    first = next(iter(known.values()))
    rows = [[name, str(item["num_utts"]), str(item["num_units"])] for name, item in first.items()]
    columns = {
        name: [
            f"{known[name][row[0]]['mer']:.2f}" if row[0] in known.get(name, {}) else "-"
            for row in rows
        ]
        for name in systems
    }
    return [
        "MER in % (characters for Hanzi, words for Latin)",
        *_tables(["set", "utts", "units"], rows, columns),
    ]


def _syllables(systems: Mapping[str, Any]) -> list[str]:
    known = {name: system["ser"] for name, system in systems.items() if system.get("ser")}
    first = next(iter(known.values()))
    rows = [
        [name, str(counts["num_utts"]), str(counts["num_chars"])] for name, counts in first.items()
    ]
    columns = {
        name: [f"{known[name][row[0]]['cer']:.2f}" if name in known else "-" for row in rows]
        for name in systems
    }
    return [
        "SER in % (syllables and phones)",
        *_tables(["set", "utts", "units"], rows, columns),
    ]


def _decoding(systems: Mapping[str, Any]) -> list[str]:
    decodings = {
        name: Decoding.from_dict(system["decoding"]) if system.get("decoding") else None
        for name, system in systems.items()
    }
    rows = decoding_rows(decodings)
    if not rows:
        return []
    columns = {
        name: [cells[index] for cells in rows.values()] for index, name in enumerate(systems)
    }
    return ["", "Decoding", *_tables([""], [[name] for name in rows], columns)]


def _cost(system: Mapping[str, Any]) -> dict[str, str]:
    return {
        "parameters, total (M)": f"{system['params_total'] / 1e6:.2f}",
        "parameters, active (M)": f"{system['params_active'] / 1e6:.2f}",
        "MFLOPs a second of audio": f"{system['flops_per_second_of_audio'] / 1e6:.1f}",
        "  without embedding network": f"{system['flops_without_embedding_network'] / 1e6:.1f}",
        "steps": str(system["steps"]),
        "training (min)": f"{system['seconds_training'] / 60:.1f}",
        "waiting for data, of training": percent_waiting(system.get("share_waiting")),
        "RTF of decoding": f"{system['rtf']:.4f}",
        "  measured with": system.get("rtf_measured_with", "-"),
    }


def _tables(
    head: Sequence[str], rows: Sequence[Sequence[str]], columns: Mapping[str, Sequence[str]]
) -> list[str]:
    """Lay out systems as columns, below each other in as many tables as the width takes."""
    tables: list[str] = []
    pending = list(columns)
    while pending:
        count = len(pending)
        while True:
            chosen = pending[:count]
            grid = [[*head, *chosen]]
            for index, row in enumerate(rows):
                grid.append([*row, *(columns[name][index] for name in chosen)])
            table = _columns(grid, left=(0,))
            if count == 1 or max(map(len, table)) <= MAX_COLUMNS:
                break
            count -= 1
        tables += [*([""] if tables else []), *table]
        pending = pending[count:]
    return tables


def _columns(grid: Sequence[Sequence[str]], left: Sequence[int]) -> list[str]:
    widths = [max(len(row[index]) for row in grid) for index in range(len(grid[0]))]
    lines = [
        _GAP.join(
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in grid
    ]
    return [lines[0], "-" * len(lines[0].rstrip()), *lines[1:]]
