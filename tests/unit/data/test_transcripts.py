"""Transcripts of a set: what is removed, dropped and counted."""

import json
from pathlib import Path

import pytest

from speechmoe_espnet.data.simplified import simplify
from speechmoe_espnet.data.transcripts import TextRule, prepare_transcripts

TABLE = {
    "u1": "同比增长3.5%",
    "u2": "<SPOKEN_NOISE>你好",
    "u3": "[FIL]嗯，对😀",
    "u4": "<sil>",
    "u5": "打开 ok bye",
    "u6": "打110",
    "u7": "好",
}


def test_everything_is_counted(tmp_path: Path):
    found = prepare_transcripts("text", TABLE)
    assert found.text == {
        "u1": "同比增长百分之三点五",
        "u2": "你好",
        "u3": "嗯对",
        "u5": "打开OKBYE",
        "u6": "打110",
        "u7": "好",
    }
    assert found.words == {"u5": "打 开 OK BYE"}
    assert found.report.lines() == [
        "3 marks removed: <SPOKEN_NOISE> 1, [FIL] 1, <sil> 1",
        "1 symbols removed that are not spoken: 😀 1",
        "1 utterances with symbols written as spoken",
        "1 utterances with digits, read one by one",
        "1 utterances without text left out: u4",
    ]
    found.report.write(tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["num_utts"] == 7
    assert report["dropped"] == ["u4"]


def test_plain_text_has_nothing_to_report():
    found = prepare_transcripts("text", {"a": "今天，天气好", "b": "打开 WiFi"})
    assert found.report.lines() == []
    assert found.words == {}


def test_unknown_marks_are_refused_kept_or_stripped():
    table = {"a": "<abc>好", "b": "你[XYZ]", "c": "<sil>好"}
    message = (
        r"text: 2 marks with unknown names: <abc> \(a\), \[XYZ\] \(b\); remove them by "
        r"--unknown_marks strip"
    )
    with pytest.raises(ValueError, match=message):
        prepare_transcripts("text", table)
    kept = prepare_transcripts("text", table, TextRule("keep"))
    assert kept.text == {"a": "ABC好", "b": "你XYZ", "c": "好"}
    assert kept.report.unknown_marks.total() == 2
    stripped = prepare_transcripts("text", table, TextRule("strip"))
    assert stripped.text == {"a": "好", "b": "你", "c": "好"}
    with pytest.raises(ValueError, match="one of refuse, keep, strip, got 'drop'"):
        TextRule("drop")


def test_numbers_with_silent_punctuation_and_text_in_brackets_are_counted():
    found = prepare_transcripts("text", {"a": "(S02)开3·5米", "b": "3。5", "c": "好"})
    assert found.text == {"a": "S02开35米", "b": "35", "c": "好"}
    assert found.report.lines() == [
        "1 pieces in brackets kept as text: (S02) 1",
        "2 symbols removed that are not spoken: · 1, 。 1",
        "2 utterances with digits, read one by one",
    ]
    assert found.report.to_dict()["bracketed"] == {"(S02)": 1}


def test_marks_of_several_words_are_never_letters():
    table = {"a": "[door slams]好", "b": '<foo bar="x">好', "c": "<sil>好"}
    with pytest.raises(ValueError, match=r"2 marks .*\[door slams\] \(a\), <foo bar=\"x\"> \(b\)"):
        prepare_transcripts("text", table)
    stripped = prepare_transcripts("text", table, TextRule("strip"))
    assert set(stripped.text.values()) == {"好"}
    assert stripped.report.symbols == {}


def test_nothing_left_is_an_error():
    with pytest.raises(ValueError, match="nothing is left of any of 2 transcripts"):
        prepare_transcripts("text", {"a": "<sil>", "b": "。"})


def test_traditional_characters_by_option(monkeypatch):
    monkeypatch.setattr("speechmoe_espnet.data.simplified._converter", lambda: Fake())
    found = prepare_transcripts("text", {"a": "學習"}, TextRule(simplify=True))
    assert found.text == {"a": "学习"}
    assert prepare_transcripts("text", {"a": "學習"}).text == {"a": "學習"}


class Fake:
    def convert(self, text: str) -> str:
        return text.translate(str.maketrans("學習", "学习"))


def test_opencc_itself():
    pytest.importorskip("opencc")
    assert simplify("學習漢語") == "学习汉语"
