"""Plan of the corpus: the text, speaker and set of every utterance, without audio."""

from collections.abc import Iterator
from dataclasses import dataclass

from speechmoe_espnet.corpora.synthetic.cast import AnySpeaker, Cast
from speechmoe_espnet.corpora.synthetic.grammar import Sentence
from speechmoe_espnet.corpora.synthetic.presets import PARTITIONS, Preset
from speechmoe_espnet.corpora.synthetic.randomness import partition_of
from speechmoe_espnet.corpora.synthetic.styles import SENTENCES
from speechmoe_espnet.corpora.synthetic.voices import make_speakers
from speechmoe_espnet.data.text_norm import normalize_text


@dataclass(frozen=True)
class Utterance:
    """One planned utterance.

    Attributes:
        name: Utterance id; starts with the speaker id.
        style: One of the four styles.
        partition: `train`, `dev` or `eval`.
        text: Transcript.
        speaker: Speaker.
    """

    name: str
    style: str
    partition: str
    text: str
    speaker: AnySpeaker

    @property
    def set_name(self) -> str:
        """Directory of the set: `train`, `dev`, or the style's name for evaluation."""
        return self.style if self.partition == "eval" else self.partition

    @property
    def wav(self) -> str:
        """Path of the audio inside the corpus directory."""
        return f"wav/{self.style}/{self.speaker.name}/{self.name}.wav"


def plan_style(
    style: str, preset: Preset, seed: int, cast: Cast = make_speakers
) -> tuple[Utterance, ...]:
    """Plan one style. The plan does not depend on the other styles.

    Args:
        style: One of the four styles.
        preset: Sizes.
        seed: The user's seed.
        cast: Draws the speakers; texts do not depend on it.

    Returns:
        The utterances of the three partitions, one after the other.

    Raises:
        ValueError: There is not enough text for the dev or eval set.
    """
    texts = _share_out(style, preset, seed)
    utterances = []
    for partition in PARTITIONS:
        speakers = cast(style, partition, preset.num_speakers(partition), seed)
        for index, text in enumerate(texts[partition]):
            speaker = speakers[index % len(speakers)]
            name = f"{speaker.name}_{index:06d}"
            utterances.append(Utterance(name, style, partition, text, speaker))
    return tuple(utterances)


def _share_out(style: str, preset: Preset, seed: int) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {partition: [] for partition in PARTITIONS}
    num_chars = dict.fromkeys(PARTITIONS, 0)

    def full(partition: str) -> bool:
        needed = preset.eval_chars if partition == "eval" else 0
        enough = len(texts[partition]) >= preset.num_utts(partition)
        return enough and num_chars[partition] >= needed

    for text, plain, partition in distinct_sentences(SENTENCES[style](preset.num_characters, seed)):
        if full(partition):
            if all(map(full, PARTITIONS)):
                break
            continue
        texts[partition].append(text)
        num_chars[partition] += len(plain)
    for partition in ("dev", "eval"):
        if not full(partition):
            raise ValueError(
                f"style {style} has {len(texts[partition])} {partition} sentences "
                f"({num_chars[partition]} characters), preset {preset.name} needs "
                f"{preset.num_utts(partition)}; raise num_characters or ask for fewer"
            )
    texts["train"] = _repeat(texts["train"], preset.train_utts)
    return texts


def distinct_sentences(sentences: Iterator[Sentence]) -> Iterator[tuple[str, str, str]]:
    """Yield each sentence once.

    Args:
        sentences: Sentences from a style's generator.

    Yields:
        The sentence, the normalised sentence, and its partition.
    """
    seen = set()
    for sentence in sentences:
        plain = normalize_text(sentence.text)
        if plain not in seen:
            seen.add(plain)
            yield sentence.text, plain, partition_of(normalize_text(sentence.origin))


def _repeat(texts: list[str], count: int) -> list[str]:
    """Repeat training sentences, for other speakers, if there are fewer than requested."""
    return [texts[index % len(texts)] for index in range(count)]
