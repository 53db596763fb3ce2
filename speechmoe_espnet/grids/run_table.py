"""One row a run: everything that later analyses need, as CSV for people and JSON for programs."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.json_files import read_json_file
from speechmoe_espnet.data.text_file import read_text
from speechmoe_espnet.grids.finished import FinishedRun, by_system
from speechmoe_espnet.grids.summary import TOTAL
from speechmoe_espnet.pipeline.atomic_file import write_text_atomically
from speechmoe_espnet.scoring.cer import Counts

SETTINGS = "settings."
_LEADING = ("run", "system", "seed")
_COST = ("steps", "params_total", "params_active", "flops_per_second_of_audio")
_TRAINING = ("train_loss", "dev_loss", "seconds_training", "rtf")

type Row = dict[str, Any]
"""A run: a value by column, None where it has none."""


def run_rows(runs: Sequence[FinishedRun]) -> list[Row]:
    """Collect one row a run.

    Columns are, in this order: `run`, `system`, `seed`; what the grid set, as
    `settings.<dotted key>`, sorted; steps, parameters and FLOPs a second of audio; CTC losses,
    time of training in seconds and real-time factor; for each set and, where there are several,
    for `total`, the error rate in percent, errors and characters (`cer.read`, `errors.read`,
    `chars.read`), then the same in units (`ser.read`, ...) where any run has them; `commit`.

    Args:
        runs: Finished runs, at least one.

    Returns:
        The rows, runs of a system together by seed. All have the same columns in the same order.

    Raises:
        ValueError: The runs are not comparable; see `by_system`.
    """
    ordered = [run for group in by_system(runs).values() for run in group]
    keys = sorted({key for run in ordered for key in run.settings})
    rows = [_row(run, keys) for run in ordered]
    columns = list(dict.fromkeys(column for row in rows for column in row if column != "commit"))
    return [{column: row.get(column) for column in (*columns, "commit")} for row in rows]


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write rows as CSV with a line of column names.

    Numbers are written so that reading them gives the same number, None as nothing. Text stands
    as it is, or in JSON's quotes where it could be read as something else.

    Args:
        rows: Rows with the same columns, at least one; the first one's order counts.
        path: File to write.

    Raises:
        ValueError: A row has other columns than the first; the message names both.
    """
    for row in rows[1:]:
        if row.keys() != rows[0].keys():
            raise ValueError(
                f"rows must have the same columns, got {list(rows[0])} and {list(row)}; make "
                f"them by run_rows"
            )
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([_to_cell(row[column]) for column in rows[0]] for row in rows)
    write_text_atomically(path, out.getvalue())


def read_csv(path: Path) -> list[Row]:
    """Read what `write_csv` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A row has more or fewer cells than there are columns; the message names it.
    """
    try:
        lines = list(csv.reader(io.StringIO(read_text(path, nfc=False), newline="")))
    except csv.Error as error:
        raise ValueError(f"{path}: not a table of runs: {error}") from None
    head = lines[0] if lines else []
    for number, cells in enumerate(lines[1:], start=2):
        if len(cells) != len(head):
            raise ValueError(f"{path}: row {number} has {len(cells)} cells, expected {len(head)}")
    return [
        {name: _from_cell(cell) for name, cell in zip(head, cells, strict=True)}
        for cells in lines[1:]
    ]


def write_json(rows: Sequence[Row], path: Path) -> None:
    """Write rows as a JSON list of objects, a line a run."""
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    write_text_atomically(path, "[\n" + ",\n".join(lines) + "\n]\n")


def read_json(path: Path) -> list[Row]:
    """Read what `write_json` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a JSON list of objects.
    """
    rows = read_json_file(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path}: expected a list of objects, one a run")
    return rows


def _row(run: FinishedRun, keys: Sequence[str]) -> Row:
    outcome = run.outcome
    row: Row = dict(zip(_LEADING, (run.name, run.system, run.seed), strict=True))
    row |= {f"{SETTINGS}{key}": run.settings.get(key) for key in keys}
    row |= dict(
        zip(_COST, (outcome.steps, *(outcome.model[key] for key in _COST[1:])), strict=True)
    )
    values = (run.train_loss, run.dev_loss, outcome.seconds_training, outcome.rtf)
    row |= dict(zip(_TRAINING, values, strict=True))
    counts = {name: item.counts for name, item in outcome.sets.items()}
    row |= _count_cells(outcome.metric, {**counts, TOTAL: outcome.total}, "errors", "chars")
    if in_units := outcome.syllable_counts:
        row |= _count_cells("ser", in_units, "unit_errors", "units")
    return row | {"commit": outcome.commit}


def _count_cells(metric: str, counts: Mapping[str, Counts], errors: str, chars: str) -> Row:
    row: Row = {}
    for place, item in counts.items():
        if place == TOTAL and len(counts) == 2:
            continue
        row |= {f"{metric}.{place}": item.cer, f"{errors}.{place}": item.num_errors}
        row[f"{chars}.{place}"] = item.num_chars
    return row


def _to_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and value and value.isprintable() and not _is_json(value):
        return value
    return json.dumps(value, allow_nan=False)


def _from_cell(cell: str) -> object:
    if not cell:
        return None
    return json.loads(cell) if _is_json(cell) else cell


def _is_json(cell: str) -> bool:
    try:
        json.loads(cell)
    except (ValueError, RecursionError):
        return False
    return True
