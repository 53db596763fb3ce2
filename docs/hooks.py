"""Build hooks of the documentation site.

What is written once is shown from there: Markdown files outside `docs/` become pages, links that
leave `docs/` are followed, and options are printed as `--help` prints them.
"""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = Path(__file__).parent
PACKAGE = "speechmoe_espnet"
OF_ESPNET = ("asr_train", "asr_inference", "lm_train")
"""Commands whose options are ESPnet's own, hundreds of them: they are named, not listed."""
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^()\s]+)\)")
_HELP = re.compile(r"^<!-- help: (\S+) -->$", re.MULTILINE)


def repository_pages(root: Path = ROOT) -> dict[str, str]:
    """Return the Markdown files outside `docs/` that the site shows, with their place in it."""
    found = [root / "CONTRIBUTING.md", root / "CHANGELOG.md", *sorted(root.glob("egs*/**/*.md"))]
    pages = {path.relative_to(root).as_posix(): path.relative_to(root).as_posix() for path in found}
    return {"README.md": "index.md", **pages}


def on_files(files: Files, config: Any) -> Files:
    """Add the repository's pages and a page of docstrings for each room of the package."""
    for source, place in repository_pages().items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    for room in rooms():
        place = f"reference/python/{room}.md"
        files.append(File.generated(config, place, content=docstring_page(room)))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Write options and the list of rooms where a page asks for them, and follow its links."""
    markdown = _HELP.sub(lambda match: help_of(match[1]), markdown)
    return relink(markdown, page.file.src_uri)


def relink(markdown: str, place: str) -> str:
    """Point a page's links at where their targets are in the site.

    Args:
        markdown: The page.
        place: Where it is in the site.

    Returns:
        The page; links to files that are no pages are plain text.
    """
    pages = repository_pages()
    sources = {target: source for source, target in pages.items()}
    folder = (ROOT / sources.get(place, f"docs/{place}")).parent

    def follow(match: re.Match[str]) -> str:
        picture, text, link = match.groups()
        name, _, anchor = link.partition("#")
        if not name or "://" in link:
            return match[0]
        target = Path(os.path.normpath(folder / name))
        if target.is_relative_to(DOCS):
            found = target.relative_to(DOCS).as_posix()
        elif (inside := target.relative_to(ROOT).as_posix()) in pages:
            found = pages[inside]
        else:
            return text
        relative = os.path.relpath(found, os.path.dirname(place) or ".")
        return f"{picture}[{text}]({relative}{'#' if anchor else ''}{anchor})"

    return _LINK.sub(follow, markdown)


def help_of(subject: str) -> str:
    """Return the options of a script or of all commands, or the list of rooms, as Markdown.

    Args:
        subject: `commands`, `rooms`, or a script's path from the top of the repository.
    """
    if subject == "commands":
        return "\n".join(command_sections())
    if subject == "rooms":
        return "\n".join(f"- [{room}](python/{room}.md): {first_line(room)}" for room in rooms())
    script = subprocess.run(
        [ROOT / subject, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return _code(script.stdout)


def command_sections() -> Iterable[str]:
    """Yield a section a command: what it does and its options."""
    sys.path.insert(0, str(ROOT))
    os.environ["COLUMNS"] = "82"
    commands = importlib.import_module(f"{PACKAGE}.__main__").commands()
    for name, line in commands.items():
        yield f"## {name}\n\n{line}\n"
        if name in OF_ESPNET:
            yield f"    python -m {PACKAGE} {name} --help\n\nOptions are those of ESPnet.\n"
            continue
        parser = importlib.import_module(f"{PACKAGE}.bin.{name}").get_parser()
        parser.prog = name
        yield _code(parser.format_help())


def rooms() -> list[str]:
    """Return the packages that users and contributors read about, by name."""
    folders = sorted(path.parent.name for path in ROOT.glob(f"{PACKAGE}/*/__init__.py"))
    return [room for room in folders if room != "bin"]


def first_line(room: str) -> str:
    """Return the first line of a room's docstring."""
    text = (ROOT / PACKAGE / room / "__init__.py").read_text(encoding="utf-8")
    found = re.match(r'"""(.*?)(?:"""|$)', text, flags=re.MULTILINE)
    return found[1] if found else ""


def docstring_page(room: str) -> str:
    """Return a page that shows the docstrings of a room and of all its modules.

    Names are shown where they are defined, not again where a room exports them.
    """
    folder = ROOT / PACKAGE / room
    parts = [f"# {PACKAGE}.{room}\n\n{_shown(f'{PACKAGE}.{room}', members=False)}"]
    for path in sorted(folder.rglob("*.py")):
        words = path.relative_to(ROOT).with_suffix("").parts
        if words[-1] != "__init__":
            parts.append(_shown(".".join(words), members=True))
    return "\n".join(parts)


def _shown(name: str, *, members: bool) -> str:
    options = [f"show_root_heading: {str(members).lower()}"]
    if not members:
        options.append("members: false")
    lines = [f"::: {name}", "    options:", *(f"      {option}" for option in options)]
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    return "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines())
