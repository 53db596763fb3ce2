import dataclasses
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from speechmoe_espnet.report.pages import SYNTHETIC_NOTE
from speechmoe_espnet.report.report_page import build_page
from speechmoe_espnet.report.sections import worst_of
from speechmoe_espnet.results.comparison import Provenance, build_results, compare
from speechmoe_espnet.scoring.alignment import align

VOID = {"meta", "br"}
SILENCE = "data:audio/mpeg;base64,AAAA"


class Balance(HTMLParser):
    """Checks that elements close in order, and gathers words and addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.words, self.addresses, self.headings = [], [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value for key, value in attrs if key in ("href", "src")]

    def handle_startendtag(self, tag, attrs):
        self.addresses += [value for key, value in attrs if key in ("href", "src")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def page_of(systems, comparison=None, corpus="synthetic", audio=None, **meta):
    results = build_results(systems, comparison, Provenance(1, seconds_total=60, meta=meta))
    html = build_page(results, systems, comparison, corpus=corpus, audio=audio)
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    return html, parser


@pytest.fixture(scope="module")
def full(systems):
    return page_of(systems, compare(*systems[1:], seed=1), command="run <all>")


def test_cost_shows_the_share_of_training_that_waited(full):
    _, parser = full
    assert "of it waiting for data" in parser.words
    assert "0.5 %" in parser.words


def test_real_time_factors_say_what_they_were_measured_with(systems):
    sets = {
        name: dataclasses.replace(outcome, measured_with="2 x 1 CPU threads")
        for name, outcome in systems[0].sets.items()
    }
    _, parser = page_of([dataclasses.replace(systems[0], sets=sets)])
    assert "0.0050 2 x 1 CPU threads" in " ".join(" ".join(parser.words).split())


def test_page_is_self_contained(full):
    html, parser = full
    assert parser.addresses
    assert all(address.startswith(("data:", "#")) for address in parser.addresses)
    assert not re.search(r"https?://|@import|url\((?!#)|<script|<link", html)


def test_page_shows_everything(full):
    html, parser = full
    words = " ".join(parser.words)
    for heading in (
        "Relative change",
        "Cost of each system",
        "Training",
        "Kinds of errors",
        "Speakers",
        "Experts of speechmoe",
        "Routing of speechmoe over one utterance",
        "Worst errors",
        "How this was made",
    ):
        assert heading in parser.headings
    assert SYNTHETIC_NOTE in words
    assert "run <all>" in words
    assert "router confidence" in words
    assert "e-sub" in html
    assert "nan" not in re.sub(r"base64,[^\"]*", "", html)


def test_pictures_are_well_formed(full):
    pictures = re.findall(r"<svg.*?</svg>", full[0], flags=re.DOTALL)
    assert len(pictures) > 10
    for svg in pictures:
        ElementTree.fromstring(svg)


def test_one_static_system_has_no_routing_and_no_comparison(systems):
    _, parser = page_of(systems[:1], corpus="aishell")
    assert "Relative change" not in parser.headings
    assert not any(heading.startswith(("Experts", "Routing")) for heading in parser.headings)
    assert SYNTHETIC_NOTE not in parser.words


def test_commits_are_shown_and_noted_where_they_differ(systems):
    assert "Note: not all" not in " ".join(page_of(systems)[1].words)
    other = dataclasses.replace(systems[1], commit="f" * 40)
    same = [dataclasses.replace(system, commit="e" * 40) for system in (systems[0], systems[2])]
    words = " ".join(page_of([*same, other])[1].words)
    assert "Note: made by different commits" in words
    assert f"trained by commit {'f' * 40}" in words


def test_names_from_data_are_escaped(systems):
    first = systems[0]
    outcome = first.sets["read"]
    script = "<script>alert(1)</script>"
    evil = dataclasses.replace(
        outcome.utterances[0],
        utt=f"<b>u{script}",
        spk=f"<i>s{script}",
        hyp=f"<unk>{script}" * 30,
        ins=1000,
    )
    outcome = dataclasses.replace(outcome, utterances=(evil, *outcome.utterances[1:]))
    html, _ = page_of([dataclasses.replace(first, sets={"read": outcome})])
    assert "<b>u" not in html
    assert "<i>s" not in html
    assert "<script" not in html
    assert "<unk" not in html
    assert "&lt;b&gt;u&lt;script&gt;" in html


def test_perfect_system_and_many_experts(systems):
    moe = systems[2]
    outcome = moe.sets["read"]
    perfect = [
        dataclasses.replace(item, sub=0, del_=0, ins=0, hyp=item.ref) for item in outcome.utterances
    ]
    outcome = dataclasses.replace(outcome, utterances=tuple(perfect))
    _, parser = page_of([dataclasses.replace(moe, sets={"read": outcome})])
    assert "No errors." in parser.words


def test_no_units_and_settings_no_sections(full):
    assert not {"Syllables", "Decoding"} & set(full[1].headings)


def test_units_and_settings_have_sections(decoded_systems):
    html, parser = page_of(decoded_systems)
    assert parser.headings.index("Syllables") < parser.headings.index("Decoding")
    assert "tuned on dev" in parser.words
    assert "ctc_greedy" in parser.words
    wfst = decoded_systems[2]
    assert f"{wfst.syllable_counts['total'].cer:.2f}" in parser.words
    (chart,) = re.findall(r"<svg[^>]*error rate in units.*?</svg>", html, flags=re.DOTALL)
    root = ElementTree.fromstring(chart)
    hints = [title.text for title in root.iter("title")]
    assert len(hints) == 4
    counts = wfst.sets["chat"]
    ser, cer = counts.syllable_counts.cer, counts.counts.cer
    assert f"chat, wfst: SER {ser:.2f} %, CER {cer:.2f} %" in hints
    assert [item.text for item in root.iter("text") if item.text in wfst.sets] == ["read", "chat"]


def test_perfect_units_can_be_drawn(decoded_systems):
    wfst = decoded_systems[2]
    sets = {}
    for name, outcome in wfst.sets.items():
        perfect = {"sub": 0, "del_": 0, "ins": 0}
        syllables = tuple(dataclasses.replace(item, **perfect) for item in outcome.syllables)
        utterances = tuple(dataclasses.replace(item, **perfect) for item in outcome.utterances)
        sets[name] = dataclasses.replace(outcome, utterances=utterances, syllables=syllables)
    html, _ = page_of([dataclasses.replace(wfst, sets=sets)])
    assert "SER 0.00 %, CER 0.00 %" in html
    (chart,) = re.findall(r"<svg[^>]*error rate in units.*?</svg>", html, flags=re.DOTALL)
    names = [item for item in ElementTree.fromstring(chart).iter("text") if item.text == "chat"]
    assert ["text-anchor: start" in item.get("style") for item in names] == [True]


def test_two_runs_give_the_same_bytes(systems, full):
    again, _ = page_of(systems, compare(*systems[1:], seed=1), command="run <all>")
    assert again == full[0]


def test_ids_are_unique_where_charts_differ(full):
    ids = re.findall(r' id="([^"]*)"', full[0])
    assert ids
    assert len(ids) == len(set(ids))


def test_players_stand_beside_their_utterances_and_nowhere_else(systems, full):
    assert "<audio" not in full[0]
    worst = worst_of(systems[2].sets["chat"])
    audio = {("chat", worst[1].utt): SILENCE, ("read", worst[0].utt): "data:wrong,set"}
    html, _ = page_of(systems, compare(*systems[1:], seed=1), audio=audio)
    blocks = re.findall(r'<div class="utt">.*?</dl>', html, flags=re.DOTALL)
    (played,) = [block for block in blocks if "<audio" in block]
    assert f'src="{SILENCE}"' in played
    assert f"{worst[1].utt}, {worst[1].num_errors} errors" in played
    assert worst[1].ref in played


def test_worst_errors_are_aligned(systems):
    html, _ = page_of(systems[:1])
    outcome = systems[0].sets["read"]
    worst = worst_of(outcome)[0]
    pairs = align([worst.ref], [worst.hyp], "cer")[0]
    words = re.search(rf"{worst.utt}, .*?<dd>.*?<dd>(.*?)</dd>", html, flags=re.DOTALL)[1]
    kinds = [re.findall(f"e-{kind}", words) for kind in ("sub", "del", "ins")]
    assert [len(kind) for kind in kinds] == [worst.sub, worst.del_, worst.ins]
    plain = re.sub(r"<[^>]*>", "", words)
    assert plain == "".join(pair.hyp or pair.ref for pair in pairs)
