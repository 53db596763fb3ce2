"""Sets that are held out: whole speakers where there are enough, the same ones each time."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.corpora.held_out import LEAST, MIN_SPEAKERS, MIN_TRAIN, MOST, hold_out
from speechmoe_espnet.data.kaldi_dir import DataDir


def data(speakers: dict[str, int]) -> DataDir:
    names = {f"{who}-{i}": who for who, count in speakers.items() for i in range(count)}
    return DataDir(Path("x"), dict.fromkeys(names, "/a"), dict.fromkeys(names, "好"), names)


COUNTS = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 40), max_size=30)
WANTED = st.sampled_from([("test", "dev"), ("dev",), ("test",)])


@given(speakers=COUNTS, names=WANTED)
def test_sets_are_disjoint_whole_and_large_enough(speakers, names):
    total = sum(speakers.values())
    if not total:
        return
    whole = data(speakers)
    if total < LEAST * len(names) + MIN_TRAIN:
        with pytest.raises(ValueError, match=f"x: {total} utterances are too few") as caught:
            hold_out("x", whole, names)
        assert "\n" not in str(caught.value)
        return
    split = hold_out("x", whole, names)
    assert split.held_out.keys() == set(names)
    parts = [split.train, *split.held_out.values()]
    assert sorted(name for part in parts for name in part.text) == sorted(whole.text)
    assert len(split.train.text) >= MIN_TRAIN
    assert 2 * len(split.train.text) >= total or not split.by_speaker
    assert all(len(part.text) >= LEAST for part in split.held_out.values())
    by_speaker = [set(part.utt2spk.values()) for part in parts]
    if split.by_speaker:
        assert len(speakers) >= MIN_SPEAKERS
        assert sum(map(len, by_speaker)) == len(speakers)
    else:
        wanted = max(LEAST, round(total / 10))
        assert {len(part.text) for part in split.held_out.values()} == {min(wanted, MOST)}


def test_a_split_depends_on_names_alone() -> None:
    speakers = {f"s{i}": 3 + i % 4 for i in range(20)}
    one = hold_out("x", data(speakers), ("test", "dev"))
    other = hold_out("x", data(dict(reversed(speakers.items()))), ("test", "dev"))
    assert one.by_speaker
    assert one.held_out["test"].text.keys() == other.held_out["test"].text.keys()
    assert one.held_out["dev"].text.keys() == other.held_out["dev"].text.keys()


def test_a_speaker_of_most_of_the_speech_is_not_held_out() -> None:
    split = hold_out("x", data({"most": 200} | {f"s{i}": 1 for i in range(9)}), ("test", "dev"))
    assert len(split.train.text) > 100


def test_a_large_corpus_holds_out_no_more_than_it_needs() -> None:
    split = hold_out("x", data({"s": 3 * 10 * MOST}), ("test", "dev"))
    assert {len(part.text) for part in split.held_out.values()} == {MOST}
