"""Text for language models: many more sentences than transcripts, none of them from dev or eval.

Speech is expensive, text is not. The text comes from the same sources as the transcripts, and only
from the training share of each style. A test sentence in the training text would make every result
of the language model meaningless. Therefore every line is also searched for dev and eval sentences,
including sentences inside longer lines.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from speechmoe_espnet.corpora.synthetic.corpus_plan import Utterance, distinct_sentences
from speechmoe_espnet.corpora.synthetic.presets import Preset, check_styles
from speechmoe_espnet.corpora.synthetic.randomness import rng_for
from speechmoe_espnet.corpora.synthetic.styles import SENTENCES
from speechmoe_espnet.data.text_norm import normalize_text

LM_TEXT = "lm_text"
_MAX_KEY = 6


class HeldOut:
    """Held-out sentences that no language model may see, with a search for them in text.

    Args:
        sentences: The sentences; they are compared after `normalize_text`.

    Raises:
        ValueError: A sentence is empty after normalisation: it would occur in every text.
    """

    def __init__(self, sentences: Iterable[str]) -> None:
        plain = set()
        for sentence in sentences:
            plain.add(normalize_text(sentence))
            if "" in plain:
                raise ValueError(f"held-out sentence {sentence!r} is empty after normalisation")
        self._size = min([_MAX_KEY, *map(len, plain)])
        self._by_start: dict[str, list[str]] = {}
        for sentence in sorted(plain):
            self._by_start.setdefault(sentence[: self._size], []).append(sentence)

    def is_in(self, text: str) -> bool:
        """Whether the normalised text contains one of the sentences."""
        plain = normalize_text(text)
        return any(
            plain.startswith(sentence, place)
            for place in range(len(plain) - self._size + 1)
            for sentence in self._by_start.get(plain[place : place + self._size], ())
        )


def lm_sentences(
    styles: Sequence[str], utterances: Sequence[Utterance], preset: Preset, seed: int
) -> Iterator[str]:
    """Yield the sentences of the language model text.

    Each style yields its training transcripts, then further sentences of its training share with
    separate random choices (for spon: other fillers in the same reviews). A sentence that two
    styles have in common is yielded for each.

    Args:
        styles: Some of the four styles.
        utterances: The plan of these styles, from `plan_corpus`.
        preset: Sizes; `lm_written` and `lm_made` are numbers of distinct sentences per style, in
            addition to the transcripts.
        seed: The user's seed.

    Yields:
        Sentences with commas, as in transcripts.

    Raises:
        ValueError: A style is unknown.
    """
    styles = check_styles(list(styles))
    held_out = HeldOut(u.text for u in utterances if u.partition != "train")
    own_seed = int(rng_for(seed, "lm_text").integers(2**62))
    for style in styles:
        seen = set()
        for utterance in utterances:
            if utterance.style == style and utterance.partition == "train":
                plain = normalize_text(utterance.text)
                if plain not in seen and not held_out.is_in(plain):
                    yield utterance.text
                seen.add(plain)
        left = preset.num_lm_sentences(style)
        sentences = distinct_sentences(SENTENCES[style](preset.num_characters, own_seed))
        while left and (sentence := next(sentences, None)):
            text, plain, partition = sentence
            if partition == "train" and plain not in seen and not held_out.is_in(plain):
                left -= 1
                yield text


def write_lm_text(
    styles: Sequence[str],
    utterances: Sequence[Utterance],
    preset: Preset,
    seed: int,
    output_dir: Path,
) -> tuple[int, int]:
    """Write `lm_text` into the corpus directory, one sentence per line.

    Args:
        styles: As in `lm_sentences`.
        utterances: As in `lm_sentences`.
        preset: As in `lm_sentences`.
        seed: As in `lm_sentences`.
        output_dir: The corpus directory.

    Returns:
        Number of sentences and of characters, punctuation not counted.

    Raises:
        ValueError: A style is unknown.
    """
    num_sentences = num_chars = 0
    with open(output_dir / LM_TEXT, "w", encoding="utf-8", newline="\n") as file:
        for sentence in lm_sentences(styles, utterances, preset, seed):
            num_sentences += 1
            num_chars += len(normalize_text(sentence))
            file.write(sentence + "\n")
    return num_sentences, num_chars
