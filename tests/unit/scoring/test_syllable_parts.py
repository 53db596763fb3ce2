"""Parts of wrong syllables, against counts by hand and a slow reference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypinyin.constants import PINYIN_DICT
from pypinyin.contrib.tone_convert import to_tone3

from speechmoe_espnet.scoring.cer import UtteranceScore, score_texts
from speechmoe_espnet.scoring.syllable_parts import PARTS, PartErrors, split_syllable

READINGS = sorted(
    {
        to_tone3(reading, neutral_tone_with_five=True, v_to_u=False)
        for readings in list(PINYIN_DICT.values())[::37]
        for reading in readings.split(",")
    }
)


def scored(ref: str, hyp: str) -> list[UtteranceScore]:
    return score_texts({"a": ref}, {"a": hyp}, {"a": "s"}, metric="ser")


@pytest.mark.parametrize(
    ("unit", "parts"),
    [
        ("zhong1", ("zh", "ong", "1")),
        ("yi1", ("", "i", "1")),
        ("yuan2", ("", "üan", "2")),
        ("wo3", ("", "uo", "3")),
        ("jiu3", ("j", "iou", "3")),
        ("lv4", ("l", "ü", "4")),
        ("er2", ("", "er", "2")),
        ("de5", ("d", "e", "5")),
        ("hm5", ("", "hm", "5")),
        ("OW1", None),
        ("<unk>", None),
        ("", None),
        ("ma", None),
    ],
)
def test_rules_of_pinyin(unit: str, parts: tuple[str, str, str] | None) -> None:
    assert split_syllable(unit) == parts


def test_every_reading_is_told_from_every_other() -> None:
    assert len(READINGS) > 500
    found = [split_syllable(reading) for reading in READINGS]
    assert None not in found
    assert len(set(found)) == len(READINGS)


def test_counts_by_hand() -> None:
    ref = "zhong1 guo2 ren2 hen3 hao3 K EY1 shi4"
    hyp = "zong1 guo3 ren2 heng3 hou4 K OW1 shi2"
    found = PartErrors.of(scored(ref, hyp))
    # zhong/zong, guo2/guo3, hen/heng, hao3/hou4 and shi4/shi2; EY1 is no syllable.
    assert found == PartErrors(5, 1, 2, 3, 1, 1, 2)
    assert found.describe().startswith("of 5 syllables taken for another, wrong are 1 in the init")
    assert PartErrors.of(scored("ni3 hao3", "ni3 hao3")).syllables == 0
    assert PartErrors.of([]).syllables == 0


syllables = st.lists(st.sampled_from([*READINGS[::19], "EY1", "<unk>"]), min_size=1, max_size=8)


@given(syllables)
def test_each_wrong_syllable_differs_in_a_part(ref: list[str]) -> None:
    hyp = [*ref[1:], ref[0]]
    scores = scored(" ".join(ref), " ".join(hyp))
    found = PartErrors.of(scores)
    assert found.syllables <= sum(item.sub for item in scores)
    alone = sum(getattr(found, f"{name}_alone") for name in PARTS)
    together = sum(getattr(found, name) for name in PARTS)
    assert alone <= found.syllables <= together <= 3 * found.syllables - 2 * alone
