"""Links between the project's Markdown files point to existing pages and headings."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("*.md", "docs/**/*.md", "egs*/*/*/*.md", "egs/*/*/results/*.md")
PAGES = sorted(page for place in PLACES for page in ROOT.glob(place))


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found


def links(page):
    """Return the targets of a page's links and pictures that lie within the project."""
    targets = re.findall(r"\]\(([^()\s]+)\)", page.read_text())
    return [target for target in targets if "://" not in target]


def test_anchors_are_those_of_github(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A: b, c (d)\n\n## The [effect](x.md)?\n\n### 80 ms, 6-block `x_y`\n")
    assert anchors(page) == {"a-b-c-d", "the-effect", "80-ms-6-block-x_y"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_have_targets(page):
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link}: there is no {target}"
        if anchor:
            assert anchor in anchors(target), f"{link}: no such heading"


def test_every_picture_is_shown():
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    pictures = set((ROOT / "docs" / "images").iterdir())
    assert pictures
    assert pictures <= shown


def test_there_are_pages():
    assert ROOT / "README.md" in PAGES
    assert any(page.parent.name == "howto" for page in PAGES)
    assert len(PAGES) > 40


def test_the_readme_is_read_in_two_minutes():
    assert len((ROOT / "README.md").read_text().split()) <= 1000


def test_each_recipe_is_documented():
    recipes = {path.parent for path in ROOT.glob("egs/*/*/run.sh")}
    assert recipes
    for recipe in recipes:
        assert (recipe / "README.md") in PAGES
        assert (recipe / "RESULTS.md") in PAGES


def test_each_row_of_the_ecosystem_names_tests_that_exist():
    page = (ROOT / "docs/ecosystem.md").read_text()
    rows = re.findall(r"^\| (?!client|---)(.*) \|$", page, flags=re.MULTILINE)
    assert len(rows) > 15
    for row in rows:
        names = re.findall(r"`([\w/]+\.py)`", row.split(" | ")[-1])
        assert names, f"no test: {row}"
        for name in names:
            folder = "integration" if "/" not in name else "unit"
            path = ROOT / "tests" / ("" if name.startswith("slow/") else folder) / name
            assert path.is_file(), f"there is no {name}: {row}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_figure_is_left_to_be_filled_in(page):
    assert "@@" not in page.read_text(encoding="utf-8")
