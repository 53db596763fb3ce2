"""Plan of natural speech for training: which sentence is said by whom, in an order that mixes all.

Sentences come from text files, one sentence or more a line, and from the styles. Only what a
transcript can hold as it is said is taken: Hanzi and punctuation. Digits and Latin letters leave
open what is said, so sentences with them are left out. A sentence that belongs to the dev or
evaluation partition of the styles is left out too, wherever it stands.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechmoe_espnet.corpora.synthetic.corpus_plan import distinct_sentences
from speechmoe_espnet.corpora.synthetic.mixed_voices import MixedVoice
from speechmoe_espnet.corpora.synthetic.phonemes import to_phonemes
from speechmoe_espnet.corpora.synthetic.randomness import partition_of, rng_for
from speechmoe_espnet.corpora.synthetic.spoken import Saying
from speechmoe_espnet.corpora.synthetic.styles import SENTENCES
from speechmoe_espnet.data.text_file import read_lines
from speechmoe_espnet.data.text_norm import normalize_text

MIN_CHARS, MAX_CHARS = 3, 25
NUM_CHARACTERS = 3000
_FACTOR = (0.93, 1.07)
_MARKS = str.maketrans({",": "，", "?": "？", "!": "！", ";": "；", ":": "："})
_QUOTES = dict.fromkeys(map(ord, "“”‘’\"'《》「」『』【】"), None)
_SENTENCE = re.compile("[^。？！；：…]+[。？！]?")
_SAYABLE = re.compile("[一-龥][一-龥，、]*[。？！]?")


@dataclass(frozen=True)
class Line:
    """A planned utterance.

    Attributes:
        name: Utterance id; starts with the speaker id.
        text: Transcript: Hanzi alone.
        source: Name of the text file or the style.
        saying: What is said, and by whom.
    """

    name: str
    text: str
    source: str
    saying: Saying


def sayable(lines: Iterable[str]) -> Iterator[str]:
    """Cut lines into sentences of 3 to 25 Hanzi, and leave out what is not only Hanzi.

    Args:
        lines: Text.

    Yields:
        Sentences with full-width punctuation, in the order of the lines. The model hardly makes
        tones audible in one or two syllables alone.
    """
    for line in lines:
        text = unicodedata.normalize("NFKC", line).translate(_MARKS).translate(_QUOTES)
        for sentence in _SENTENCE.findall(text):
            for part in _parts(sentence.strip()):
                if len(normalize_text(part)) >= MIN_CHARS and _SAYABLE.fullmatch(part):
                    yield part


def _parts(sentence: str) -> Iterator[str]:
    """Join clauses up to 25 characters."""
    part = ""
    for clause in sentence.split("，"):
        joined = f"{part}，{clause}" if part else clause
        if part and len(normalize_text(joined)) > MAX_CHARS:
            yield part
            joined = clause
        part = joined
    if part and len(normalize_text(part)) <= MAX_CHARS:
        yield part


def plan_speech(
    texts: Sequence[Path],
    styles: Sequence[str],
    voices: Sequence[MixedVoice],
    vocabulary: Iterable[str],
    seed: int,
) -> Iterator[Line]:
    """Plan utterances until there is no more text; each source is as frequent as any other.

    Args:
        texts: Text files, UTF-8.
        styles: Some of the four styles.
        voices: The speakers; each says as much as any other.
        vocabulary: Phonemes of the model.
        seed: Decides the order, and who says what and how fast.

    Yields:
        Utterances, each with a text that no other has.

    Raises:
        ValueError: A file cannot be read or is not UTF-8, or two have the same name.
    """
    sources = {style: _of_style(style, seed) for style in styles}
    for path in texts:
        if path.stem in sources:
            raise ValueError(f"texts: two sources have the name {path.stem}; rename one")
        sources[path.stem] = _of_file(path, seed)
    known = frozenset(vocabulary)
    seen: set[str] = set()
    number = 0
    rng = rng_for(seed, "speech plan")
    while sources:
        source = list(sources)[int(rng.integers(len(sources)))]
        sentence = next(sources[source], None)
        if sentence is None:
            del sources[source]
            continue
        text = normalize_text(sentence)
        if text in seen or partition_of(text) != "train":
            continue
        seen.add(text)
        try:
            phonemes = to_phonemes(sentence, known)
        except ValueError:
            continue
        voice = voices[_turn(number, len(voices), seed)]
        factor = round(float(rng_for(seed, "speech factor", number).uniform(*_FACTOR)), 3)
        yield Line(f"{voice.name}_{number:07d}", text, source, Saying(phonemes, voice, factor))
        number += 1


def _turn(number: int, count: int, seed: int) -> int:
    """Return whose turn it is: all speak once, in random order, before any speaks again."""
    order = rng_for(seed, "speech turn", number // count).permutation(count)
    return int(order[number % count])


def _of_style(style: str, seed: int) -> Iterator[str]:
    for text, _, partition in distinct_sentences(SENTENCES[style](NUM_CHARACTERS, seed)):
        if partition == "train" and re.fullmatch("[一-龥，]+", text):
            yield text


def _of_file(path: Path, seed: int) -> Iterator[str]:
    sentences = list(dict.fromkeys(sayable(read_lines(path))))
    if not sentences:
        raise ValueError(f"{path}: no sentence that can be said")
    for index in rng_for(seed, "speech order", path.stem).permutation(len(sentences)):
        yield sentences[index]
