"""Sizes of the synthetic corpora: one frozen record per preset."""

import dataclasses
from dataclasses import dataclass
from typing import Self

STYLES = ("read", "chat", "spon", "aishell2")
PARTITIONS = ("train", "dev", "eval")
ESPEAK, KOKORO, MIXED = "espeak", "kokoro", "mixed"
VOICES = (ESPEAK, KOKORO, MIXED)


@dataclass(frozen=True)
class Preset:
    """Sizes of a preset. All counts are per style.

    Attributes:
        name: Name for `--preset`.
        train_utts: Training utterances. An utterance lasts about 3.5 seconds.
        dev_utts: Development utterances.
        eval_utts: Minimum number of evaluation utterances.
        eval_chars: Minimum number of characters (after normalisation) in the evaluation set.
        num_characters: Size of the inventory of Hanzi: a sentence from the text sources is used
            only if all its Hanzi are among this many most frequent ones.
        train_speakers: Speakers of the training set.
        dev_speakers: Speakers of the development set.
        eval_speakers: Speakers of the evaluation set.
        lm_written: Sentences of the language model text in addition to the transcripts, for styles
            whose text comes from packages (read, spon); fewer if the packages have fewer.
        lm_made: The same for styles whose text is mostly made from patterns (chat, aishell2).
    """

    name: str
    train_utts: int
    dev_utts: int
    eval_utts: int
    eval_chars: int
    num_characters: int
    train_speakers: int = 72
    dev_speakers: int = 6
    eval_speakers: int = 12
    lm_written: int = 0
    lm_made: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            smallest = 0 if field.name in ("eval_chars", "lm_written", "lm_made") else 1
            if field.name != "name" and value < smallest:
                raise ValueError(
                    f"preset {self.name}: {field.name} must be at least {smallest}, got {value}"
                )

    def with_train_utts(self, train_utts: int | None) -> Self:
        """Return the preset with another number of training utterances per style (None: unchanged).

        Raises:
            ValueError: The number is not positive.
        """
        if train_utts is None:
            return self
        return dataclasses.replace(self, train_utts=train_utts)

    def num_utts(self, partition: str) -> int:
        """Number of utterances of a style in `train`, `dev` or `eval` (a minimum for `eval`)."""
        return {"train": self.train_utts, "dev": self.dev_utts, "eval": self.eval_utts}[partition]

    def num_speakers(self, partition: str) -> int:
        """Number of speakers of a style in `train`, `dev` or `eval`."""
        return {
            "train": self.train_speakers,
            "dev": self.dev_speakers,
            "eval": self.eval_speakers,
        }[partition]

    def num_lm_sentences(self, style: str) -> int:
        """Maximum number of sentences of a style in the language model text besides transcripts."""
        return self.lm_written if style in ("read", "spon") else self.lm_made


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            *("tiny", 40, 8, 10, 0, 600),
            train_speakers=8,
            dev_speakers=2,
            eval_speakers=3,
            lm_written=300,
            lm_made=300,
        ),
        Preset("small", 12000, 80, 520, 8200, 1200, lm_written=50000, lm_made=16000),
        # The same dev and evaluation sets as small.
        Preset("medium", 36000, 80, 520, 8200, 1200, lm_written=50000, lm_made=16000),
        Preset(
            *("large", 51000, 200, 1500, 22000, 2000),
            train_speakers=240,
            lm_written=100000,
            lm_made=50000,
        ),
    )
}


def get_preset(name: str) -> Preset:
    """Look up a preset.

    Raises:
        ValueError: There is no such preset; the message lists all presets.
    """
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}; got {name!r}")
    return PRESETS[name]


def check_styles(styles: list[str]) -> list[str]:
    """Return the styles in canonical order.

    Raises:
        ValueError: No style is given, one is unknown, or one is given twice.
    """
    unknown = [style for style in styles if style not in STYLES]
    if unknown or not styles:
        got = ", ".join(unknown) if unknown else "none"
        raise ValueError(f"sets of the synthetic corpus are {', '.join(STYLES)}; got {got}")
    if len(set(styles)) != len(styles):
        raise ValueError(f"each set may be named once; got {' '.join(styles)}")
    return [style for style in STYLES if style in styles]
