"""Who speaks: speakers of the formant synthesiser, natural ones, or both in turn."""

from collections.abc import Callable, Iterable

from speechmoe_espnet.corpora.synthetic.mixed_voices import MixedVoice, mix_voices
from speechmoe_espnet.corpora.synthetic.presets import ESPEAK, KOKORO, VOICES
from speechmoe_espnet.corpora.synthetic.voices import Speaker, make_speakers

type AnySpeaker = Speaker | MixedVoice
type Cast = Callable[[str, str, int, int], tuple[AnySpeaker, ...]]
"""From style, partition, number of speakers and seed to the speakers."""


def make_cast(voices: str, names: Iterable[str]) -> Cast:
    """Return what draws the speakers of a corpus.

    Args:
        voices: `espeak`, `kokoro`, or `mixed`: every other speaker is natural.
        names: Names of the natural voices to mix; `espeak` has none.

    Raises:
        ValueError: `voices` is none of the three.
    """
    if voices not in VOICES:
        raise ValueError(f"voices must be one of {', '.join(VOICES)}; got {voices!r}")
    names = tuple(names)

    def natural(style: str, partition: str, count: int, seed: int) -> tuple[AnySpeaker, ...]:
        return mix_voices(style, partition, count, seed, names)

    def mixed(style: str, partition: str, count: int, seed: int) -> tuple[AnySpeaker, ...]:
        half = (count + 1) // 2
        pairs = zip(
            make_speakers(style, partition, half, seed),
            mix_voices(style, partition, half, seed, names),
            strict=True,
        )
        return tuple(speaker for pair in pairs for speaker in pair)[:count]

    if voices == ESPEAK:
        return make_speakers
    return natural if voices == KOKORO else mixed
