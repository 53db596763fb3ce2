"""A recipe's RESULTS.md: a table a question, and beside it a file a grid with all the others."""

from pathlib import Path

from speechmoe_espnet.data.text_file import read_text
from speechmoe_espnet.grids.markdown import replace_section
from speechmoe_espnet.pipeline.atomic_file import write_text_atomically

FOLDER = "results"
"""Folder beside RESULTS.md of the files with all tables."""


def details_link(name: str) -> str:
    """Return where a grid's tables are, relative to RESULTS.md."""
    return f"{FOLDER}/{name}.md"


def write_results(
    results_md: Path, name: str, *, description: str, headline: str, details: str
) -> None:
    """Replace a grid's section of RESULTS.md and write the file with all its tables.

    Args:
        results_md: The file with the section; `results/NAME.md` beside it is written anew.
        name: Name of the grid and of the section.
        description: The question that the grid asks.
        headline: Markdown of the section.
        details: Markdown of all tables.

    Raises:
        ValueError: The file has no such section; nothing is written.
    """
    text = replace_section(read_text(results_md, nfc=False), name, headline)
    page = results_md.parent / details_link(name)
    page.parent.mkdir(exist_ok=True)
    write_text_atomically(page, f"# {name}\n\n{description}\n\n{details}")
    write_text_atomically(results_md, text)
