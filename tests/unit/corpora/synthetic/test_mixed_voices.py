"""Natural speakers: enough, different, the same each time, and apart in train, dev and eval."""

from itertools import combinations

import pytest
from fake_voices import CHINESE, FOREIGN
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.corpora.synthetic.cast import make_cast
from speechmoe_espnet.corpora.synthetic.mixed_voices import (
    ALL,
    SPEEDS,
    MixedVoice,
    mix_voices,
    share_out,
)
from speechmoe_espnet.corpora.synthetic.presets import PARTITIONS, STYLES, VOICES
from speechmoe_espnet.corpora.synthetic.voices import Speaker

NAMES = CHINESE + FOREIGN


def bases(voices: tuple[MixedVoice, ...]) -> set[str]:
    return {name for voice in voices for name, _ in (*voice.timbre, *voice.prosody)}


def mixes(partition: str, seed: int = 0) -> tuple[MixedVoice, ...]:
    return tuple(v for style in STYLES for v in mix_voices(style, partition, 60, seed, NAMES))


def test_no_voice_is_in_two_partitions():
    used = {partition: bases(mixes(partition)) for partition in PARTITIONS}
    for one, other in combinations(PARTITIONS, 2):
        assert not used[one] & used[other]
    assert set.union(*used.values()) == set(NAMES) == bases(mix_voices(ALL, ALL, 300, 0, NAMES))


names = st.builds("{}{}_{}".format, *map(st.sampled_from, ("abz", "fm", "abcdefghijklm")))


@given(st.sets(names))
def test_every_set_of_voices_is_divided(voices):
    shares = share_out(voices.union(CHINESE))
    for kind in ("chinese", "foreign"):
        given_out = [
            name
            for partition in PARTITIONS
            for group in shares[partition].values()
            for name in getattr(group, kind)
        ]
        whole = [name for group in shares[ALL].values() for name in getattr(group, kind)]
        assert sorted(given_out) == sorted(whole)
    for partition in PARTITIONS:
        assert all(group.chinese for group in shares[partition].values())


def test_speakers_differ_and_are_well_mixed():
    voices = mix_voices("read", "train", 300, 0, NAMES)
    assert len({(v.timbre, v.prosody, v.speed, v.shift) for v in voices}) == 300
    assert len({v.name for v in voices}) == 300
    sexes = {name: {n[1] for n in bases((v,))} for v in voices for name in [v.name]}
    assert all(len(sex) == 1 for sex in sexes.values())
    assert sorted({min(sex) for sex in sexes.values()}) == ["f", "m"]
    for voice in voices:
        for mix in (voice.timbre, voice.prosody):
            assert sum(weight for _, weight in mix) == pytest.approx(1, abs=1e-3)
        assert all(name.startswith("z") for name, _ in voice.prosody)
        assert SPEEDS["read"][0] <= voice.speed <= SPEEDS["read"][1]


@pytest.mark.parametrize("voices", VOICES)
def test_a_speaker_depends_on_the_seed_and_not_on_their_number(voices):
    cast = make_cast(voices, NAMES)
    assert cast("chat", "eval", 5, 1) == cast("chat", "eval", 12, 1)[:5]
    assert cast("chat", "eval", 5, 1) != cast("chat", "eval", 5, 2)
    assert len({speaker.name for speaker in cast("chat", "eval", 13, 1)}) == 13


def test_mixed_takes_both():
    speakers = make_cast("mixed", NAMES)("spon", "train", 8, 0)
    assert [type(speaker) for speaker in speakers] == [Speaker, MixedVoice] * 4


def test_unknown_voices_are_an_error():
    with pytest.raises(ValueError, match="voices must be one of espeak, kokoro, mixed; got 'x'"):
        make_cast("x", NAMES)


def test_two_chinese_voices_are_too_few():
    with pytest.raises(ValueError, match=r"three Chinese voices of one sex.*there are 3 in all"):
        share_out(["zf_a", "zf_b", "zm_c", *FOREIGN])


def test_one_sex_is_enough():
    voices = mix_voices("read", "eval", 4, 0, ["zm_a", "zm_b", "zm_c", "zf_d"])
    assert len(bases(voices)) == 1
