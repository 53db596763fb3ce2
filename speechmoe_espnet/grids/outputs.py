"""Writer of a grid's results: table, page, pictures, Markdown."""

import json
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.grids.choice import best_points, choice_markdown
from speechmoe_espnet.grids.finished import FinishedRun
from speechmoe_espnet.grids.grid import Grid
from speechmoe_espnet.grids.grid_file import FOLDER
from speechmoe_espnet.grids.grid_page import PICTURES, build_page
from speechmoe_espnet.grids.markdown import headline, tables
from speechmoe_espnet.grids.results_file import details_link, write_results
from speechmoe_espnet.grids.run_table import run_rows, write_csv, write_json
from speechmoe_espnet.grids.summary import summarize
from speechmoe_espnet.report.figure import standalone_svg
from speechmoe_espnet.results.comparison import Provenance, is_trial


def write_table(finished: Sequence[FinishedRun], directory: Path) -> None:
    """Write `runs.csv` and `runs.json`, a row a finished run."""
    rows = run_rows(finished)
    write_csv(rows, directory / "runs.csv")
    write_json(rows, directory / "runs.json")


def write_report(
    grid: Grid, finished: Sequence[FinishedRun], directory: Path, results_md: Path | None = None
) -> str:
    """Write everything about a grid.

    Args:
        grid: The grid.
        finished: Its finished runs, at least one.
        directory: Where `runs.csv`, `runs.json`, `summary.json`, `index.html` and the pictures
            (`*.svg`) go.
        results_md: A file whose generated section named like the grid gets the table that answers
            its question; `results/NAME.md` beside it gets all tables. None: neither.

    Returns:
        The tables as Markdown.

    Raises:
        ValueError: The runs cannot be compared, or `results_md` has no such section.
    """
    names = {item.system for item in finished}
    is_compared = grid.control in names and not is_trial(grid.options)
    control = grid.control if is_compared else None
    summary = summarize(finished, control)
    top = grid.recipe.parents[2]
    file = (grid.recipe / FOLDER / f"{grid.name}.yaml").relative_to(top)
    command = f"python -m speechmoe_espnet grid {file}"
    meta = {"command": command}
    if is_trial(grid.options):
        meta["preset"] = "tiny only shows that all works: systems are not compared"
    provenance = Provenance(seed=0, meta=meta)
    corpus = str(grid.options.get("corpus", "synthetic"))
    page = build_page(summary, provenance, title=f"{grid.name}: {grid.description}", corpus=corpus)
    write_table(finished, directory)
    text = json.dumps(summary.to_dict(), ensure_ascii=False, indent=1) + "\n"
    (directory / "summary.json").write_text(text, encoding="utf-8")
    (directory / "index.html").write_text(page, encoding="utf-8")
    for name, draw in PICTURES.items():
        figure = draw(summary)
        path = directory / f"{name}.svg"
        if figure is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(standalone_svg(figure), encoding="utf-8")
    markdown = tables(summary, provenance)
    if any(run.point for run in grid.runs()):
        markdown += "\n" + choice_markdown(best_points(grid, finished))
    if results_md is not None:
        write_results(
            results_md,
            grid.name,
            description=grid.description,
            headline=headline(summary, provenance, details_link(grid.name)),
            details=markdown,
        )
    return markdown
