import re
from html.parser import HTMLParser

import pytest

from speechmoe_espnet.grids.grid_page import build_page
from speechmoe_espnet.grids.summary import summarize
from speechmoe_espnet.results.comparison import Provenance

VOID = ("meta", "br")


class Outline(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tags, self.addresses = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for key, value in attrs if key in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page_of(summary, corpus="synthetic"):
    provenance = Provenance(seed=0, meta={"command": "experiment <grid>"})
    return build_page(summary, provenance, title="A <grid>", corpus=corpus)


@pytest.fixture(scope="module")
def page(summary):
    return page_of(summary)


def test_whole_and_self_contained(page):
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert all(address.startswith("#") for address in outline.addresses)
    assert not re.search(r"https?://|url\((?!#)|<script|<link", page)
    assert outline.tags.count("svg") == 6
    last_plain = max(i for i, tag in enumerate(outline.tags) if tag == "th")
    assert last_plain < outline.tags.index("svg")


def test_text_is_escaped(page):
    assert "<title>A &lt;grid&gt;</title>" in page
    assert "experiment &lt;grid&gt;" in page


def test_figures(page, summary):
    system = summary.systems["moe8"]
    assert f"{system.rates['total'].mean:.2f} <span class=small>[" in page
    assert f"{100 * system.changes['total'].interval.mean:+.1f} %" in page
    assert "encoder_conf.router: speechmoe" in page
    assert "moe8-s1, moe8-s2, moe8-s3; trained by unknown" in page
    assert "asterisk marks intervals of one seed" not in page


def test_the_note_on_synthetic_corpora(page, summary):
    assert "formant synthesiser" in page
    assert "formant synthesiser" not in page_of(summary, "aishell2")


def test_without_control_and_with_one_seed(finished_runs):
    runs = [run for run in finished_runs if run.seed == 1]
    page = page_of(summarize(runs, num_resamples=50))
    assert "errors saved" not in page
    assert "Relative change by set" not in page
    assert "asterisk marks intervals of one seed" in page


def test_two_runs_give_the_same_bytes(page, summary):
    assert page_of(summary) == page
