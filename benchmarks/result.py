"""Results of a benchmark: one row per system, case and measure, as JSON and as a table."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.timing import Spread, ratios

_HEAD = ("case", "measure", "system", "median", "quartiles", "ratio", "bar", "")


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        case: Input, e.g. "T=2000 D=512 H=1024 E=8".
        measure: Measured quantity, e.g. "forward+backward".
        system: Name of the system.
        unit: "s", "MB" or another unit of `value`.
        value: Measured value.
        ratio: Ratio to the baseline of the same case and measure, round by round; None without a
            baseline.
        bar: Largest acceptable ratio; None for a system without a bar.
    """

    case: str
    measure: str
    system: str
    unit: str
    value: Spread
    ratio: Spread | None = None
    bar: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the bar is reached; None without a bar."""
        if self.bar is None or self.ratio is None:
            return None
        return self.ratio.median <= self.bar


def timed_rows(
    case: str,
    measure: str,
    seconds: Mapping[str, Sequence[float]],
    baseline: str,
    bars: Mapping[str, float] | None = None,
) -> list[Row]:
    """Make the rows of one comparison.

    Args:
        case: See Row.
        measure: See Row.
        seconds: Result of `interleave`.
        baseline: Name of the baseline system.
        bars: Largest acceptable ratio, by system.
    """
    return [
        Row(
            case,
            measure,
            system,
            "s",
            Spread.of(samples),
            Spread.of(ratios(samples, seconds[baseline])),
            (bars or {}).get(system),
        )
        for system, samples in seconds.items()
    ]


def write_json(path: str | Path, rows: Iterable[Row], meta: Mapping[str, Any]) -> None:
    """Write rows and the conditions of the measurement.

    Args:
        path: File to write.
        rows: Results.
        meta: Machine, versions, commit and command.
    """
    found = {
        "meta": dict(meta),
        "rows": [{**asdict(row), "reached": row.reached} for row in rows],
    }
    Path(path).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def read_rows(path: str | Path) -> list[Row]:
    """Read a file of `write_json`."""
    rows = []
    for fields in json.loads(Path(path).read_text(encoding="utf-8"))["rows"]:
        del fields["reached"]
        ratio = fields["ratio"]
        fields["value"] = Spread(**fields["value"])
        fields["ratio"] = None if ratio is None else Spread(**ratio)
        rows.append(Row(**fields))
    return rows


def table(rows: Sequence[Row]) -> str:
    """Format rows for a terminal; each case and measure is named once."""
    grid = [list(_HEAD)]
    before: tuple[str, str] = ("", "")
    for row in rows:
        case = row.case if row.case != before[0] else ""
        measure = row.measure if case or row.measure != before[1] else ""
        before = (row.case, row.measure)
        grid.append([case, measure, row.system, *_figures(row)])
    widths = [max(len(line[column]) for line in grid) for column in range(len(_HEAD))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in grid
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]]) + "\n"


def _figures(row: Row) -> list[str]:
    verdict = {None: "", True: "reached", False: "MISSED"}[row.reached]
    return [
        f"{_number(row.value.median, row.unit)}",
        f"{_number(row.value.low, row.unit)} - {_number(row.value.high, row.unit)}",
        "" if row.ratio is None else f"{row.ratio.median:.3f}",
        "" if row.bar is None else f"<= {row.bar:.2f}",
        verdict,
    ]


def _number(value: float, unit: str) -> str:
    if unit == "s":
        return f"{value * 1e3:.2f} ms" if value < 1 else f"{value:.2f} s"
    return f"{value:.4g} {unit}".rstrip()
