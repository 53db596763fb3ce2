"""RESULTS.md gets one table, the file beside it all of them."""

import pytest

from speechmoe_espnet.grids.results_file import details_link, write_results

SECTION = "<!-- begin generated: main -->\n{}<!-- end generated: main -->\n"


def write(path):
    write_results(path, "main", description="Does it?", headline="one\n", details="all\n")


def test_both_files_are_written(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text("top\n" + SECTION.format(""))
    write(path)
    assert path.read_text() == "top\n" + SECTION.format("\none\n\n")
    assert (tmp_path / details_link("main")).read_text() == "# main\n\nDoes it?\n\nall\n"
    write(path)
    assert path.read_text() == "top\n" + SECTION.format("\none\n\n")


def test_without_the_section_nothing_is_written(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text("top\n")
    with pytest.raises(ValueError, match="begin generated: main"):
        write(path)
    assert [item.name for item in tmp_path.iterdir()] == ["RESULTS.md"]
