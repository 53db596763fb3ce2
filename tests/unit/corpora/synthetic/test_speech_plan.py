"""What natural voices say for training: Hanzi alone, no evaluation sentence, everybody's turn."""

import re
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from fake_voices import CHINESE, FOREIGN
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.corpora.synthetic.kokoro import FIRST_VOCABULARY
from speechmoe_espnet.corpora.synthetic.mixed_voices import ALL, mix_voices
from speechmoe_espnet.corpora.synthetic.randomness import partition_of
from speechmoe_espnet.corpora.synthetic.speech_plan import Line, plan_speech, sayable
from speechmoe_espnet.data.text_norm import normalize_text

VOICES = mix_voices(ALL, ALL, 7, 0, CHINESE + FOREIGN)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("你好吗?", ["你好吗？"]),
        ("知道《英雄》这部电影吗？知道呀。", ["知道英雄这部电影吗？", "知道呀。"]),
        ("人均消费50-100元的餐馆，谢谢你", []),
        ("周一10:00开门。我们去看看！", ["我们去看看！"]),
        ("打开KTV的灯", []),
        ("尼古拉斯·斯帕克斯的小说", []),
        ("好的", []),
        ("，，你好呀", ["你好呀"]),
        ("一" * 26, []),
        ("一" * 20 + "，" + "二" * 20, ["一" * 20, "二" * 20]),
        ("一二三，四五六，七八九", ["一二三，四五六，七八九"]),
        ("", []),
    ],
)
def test_only_what_is_said_as_it_stands_is_taken(line, expected):
    assert list(sayable([line])) == expected


@given(st.lists(st.text(st.sampled_from("你好吗的，。？！、；：…《》A1 \n，,?!")), max_size=5))
def test_transcripts_are_hanzi_alone(lines):
    for sentence in sayable(lines):
        assert re.fullmatch("[一-龥]{3,25}", normalize_text(sentence))


@pytest.fixture
def texts(tmp_path) -> list[Path]:
    files = []
    for name, character in (("one", "大"), ("two", "小")):
        lines = [f"{character}{a}{b}" for a in "一二三四五六七八九十" for b in "天地人山水火木"]
        files.append(tmp_path / f"{name}.txt")
        files[-1].write_text("\n".join(lines), encoding="utf-8")
    return files


def plan(
    texts: list[Path], styles: list[str] | None = None, seed: int = 0, n: int = 90
) -> list[Line]:
    return list(islice(plan_speech(texts, styles or [], VOICES, FIRST_VOCABULARY, seed), n))


def test_every_speaker_and_source_has_a_share(texts):
    lines = plan(texts, ["chat"])
    assert len({line.text for line in lines}) == len({line.name for line in lines}) == 90
    assert set(Counter(line.saying.voice.name for line in lines).values()) == {12, 13}
    shares = Counter(line.source for line in lines)
    assert set(shares) == {"one", "two", "chat"}
    assert min(shares.values()) > 15
    assert all(line.name.startswith(line.saying.voice.name + "_") for line in lines)
    assert all(partition_of(line.text) == "train" for line in lines if line.source != "chat")


def test_the_plan_depends_on_the_seed_alone(texts):
    assert plan(texts) == plan(texts)
    assert plan(texts)[:20] == plan(texts, n=20)
    assert plan(texts) != plan(texts, seed=1)


def test_the_plan_ends_with_the_text(texts):
    lines = plan(texts, n=1000)
    assert 100 < len(lines) < 140
    assert {line.source for line in lines} == {"one", "two"}


def test_two_sources_of_one_name_are_an_error(texts, tmp_path):
    (tmp_path / "x").mkdir()
    other = tmp_path / "x/one.txt"
    other.write_text("你好呀")
    with pytest.raises(ValueError, match="two sources have the name one"):
        plan([*texts, other])


def test_a_text_in_another_encoding_is_named(tmp_path):
    (tmp_path / "gb.txt").write_bytes("你好吗".encode("gb18030"))
    with pytest.raises(ValueError, match=r"gb.txt:1: not UTF-8"):
        plan([tmp_path / "gb.txt"])
