import jinja2
import pytest

from speechmoe_espnet.report.pages import Cell, Table, interval_cells, render
from speechmoe_espnet.scoring.bootstrap import Interval

EVIL = '<script>alert("x")</script>'


def grid_page(**more):
    table = Table(["system", Cell("CER", EVIL)], [[EVIL, Cell(EVIL, EVIL, EVIL)]])
    context = {
        "title": EVIL,
        "subtitle": EVIL,
        "metric": EVIL,
        "headline": table,
        "single_seeds": True,
        "synthetic_note": EVIL,
        "rates": table,
        "unit_rates": table,
        "costs": table,
        "settings": [(EVIL, EVIL)],
        "charts": [],
        "facts": [(EVIL, EVIL)],
    }
    return render("grid.html.j2", **{**context, **more})


def test_all_text_is_escaped():
    page = grid_page()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 20


def test_a_missing_value_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="svg"):
        grid_page(charts=[{"title": "t", "explanation": "e"}])


def test_only_wide_tables_stack_and_every_cell_knows_its_column():
    wide = Table(["set", "a", "b", Cell("c", "%")], [["read", "1", "2", "3"]])
    page = grid_page(headline=wide)
    assert page.count('class="plain stack"') == 1
    assert '<td data-label="c %">3</td>' in page


def test_intervals_carry_their_verdict():
    change, verdict = interval_cells(Interval(0.05, 0.01, 0.09), " *")
    assert (change.text, change.small) == ("+5.0 %", "[+1.0, +9.0] *")
    assert (verdict.text, verdict.verdict) == ("better", "better")
    page = grid_page(headline=Table(["system", "verdict"], [["moe", verdict]]))
    assert '<span class="better">better</span>' in page


def test_tables_scroll_in_a_container_of_their_own():
    page = grid_page()
    assert (
        page.count('<table class="plain')
        == page.count('<div class="scroll"><table class="plain')
        == 4
    )
