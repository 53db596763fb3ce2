"""Training of a pruned n-gram: from text files to a directory with models and statistics."""

import hashlib
import json
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaldingram.prune import Arpa

from speechmoe_espnet.lm.arpa import NgramModel, read_arpa, write_arpa
from speechmoe_espnet.lm.estimation import (
    check_order,
    check_threshold,
    estimate,
    from_model,
    prune_entropy,
    to_model,
)
from speechmoe_espnet.lm.evaluation import NgramPerplexity, highest_sum_error, perplexity
from speechmoe_espnet.lm.interpolation import (
    best_weight,
    interpolate,
    likely_words,
    limit_words,
)
from speechmoe_espnet.lm.sentences import read_sentences
from speechmoe_espnet.lm.vocabulary import RESERVED, Vocabulary

PRUNED = "lm_pruned.arpa"
UNPRUNED = "lm.arpa.gz"
VOCABULARY = "vocab"
FACTS = "ngram.json"
PHASES = 4
_SUM_TOLERANCE = 1e-4


@dataclass(frozen=True)
class NgramOptions:
    """Options of an n-gram.

    Attributes:
        level: `word` or `char`, see `lm.sentences.segment_lines`.
        order: Length of the longest n-grams, 1 to 5.
        min_count: Words of several Hanzi that occur less often are split into characters.
        prune_threshold: Relative increase of perplexity below which an n-gram is pruned.
        keep_unpruned: Whether to write the unpruned model as well.
        simplify: Whether to write traditional characters as simplified ones.
        mix_arpa: A general model that the one of the text is mixed with; None: no mixture. Its
            words stay whole in the text.
        mix_weight: Its weight, above 0 and below 1; None: the most likely one of the held-out text.
        mix_words: So many of its most probable words come into the mixture, with the words of the
            text and each single Hanzi.
    """

    level: str = "word"
    order: int = 5
    min_count: int = 5
    prune_threshold: float = 1e-7
    keep_unpruned: bool = False
    simplify: bool = False
    mix_arpa: Path | None = None
    mix_weight: float | None = None
    mix_words: int = 60_000


def train_ngram(
    texts: Sequence[str | Path],
    dev_text: str | Path,
    options: NgramOptions,
    output_dir: str | Path,
    report: Callable[[str], None] = lambda phase: None,
) -> dict[str, Any]:
    """Train, prune and measure an n-gram.

    Writes `lm_pruned.arpa`, `vocab` (word and count in the training text), `ngram.json` (the
    returned mapping) and, with `keep_unpruned`, `lm.arpa.gz`.

    Args:
        texts: Training text files, see `lm.sentences.read_lines`.
        dev_text: File with held-out text for the perplexity.
        options: Options of the n-gram.
        output_dir: Directory to write, made if needed.
        report: Called with the name of each of the `PHASES` phases when it starts.

    Returns:
        Options, sources with SHA-256 digests, sizes, seconds per phase, and under `unpruned` and
        `pruned` the number of n-grams of each order and the perplexity of dev_text.

    Raises:
        FileNotFoundError: A file does not exist.
        ValueError: A file or an option is not valid.
    """
    check_order(options.order)
    check_threshold(options.prune_threshold)
    if options.mix_words < 0:
        raise ValueError(f"mix_words must be at least 0, got {options.mix_words}")
    timer = _Timer(report)
    timer.begin("read text")
    sentences = read_sentences(texts, options.level, simplified=options.simplify)
    dev = read_sentences([dev_text], options.level, simplified=options.simplify)
    general = _general_model(options, {word for sentence in sentences for word in sentence})
    known = () if general is None else {ngram[0] for ngram in general.ngrams if len(ngram) == 1}
    vocabulary = Vocabulary.from_sentences(sentences, options.min_count, known)
    sentences = [vocabulary.split(sentence) for sentence in sentences]
    dev_words = sum(map(len, dev))

    timer.begin(f"estimate order {options.order}")
    arpa = estimate(sentences, options.order, vocabulary.unseen)
    vocabulary = vocabulary.extended(word for word in known if word not in RESERVED)
    dev_split = sum(w not in vocabulary and len(w) > 1 for sentence in dev for w in sentence)
    dev = [vocabulary.split(sentence) for sentence in dev]
    mixture: dict[str, Any] = {}
    if general is not None:
        arpa, weight = _mix(general, arpa, dev, options.mix_weight)
        mixture = {"weight": round(weight, 4), "words": options.mix_words}
    unpruned = _facts([n for _, n in arpa.counts()], perplexity(arpa.log_p_raw, arpa.order(), dev))
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    if options.keep_unpruned:
        write_arpa(output_dir / UNPRUNED, to_model(arpa))

    timer.begin(f"prune to {options.prune_threshold:g}")
    prune_entropy(arpa, options.prune_threshold)
    write_arpa(output_dir / PRUNED, to_model(arpa))
    del arpa

    timer.begin("check")
    model = read_arpa(output_dir / PRUNED)
    _check_sums(model, output_dir / PRUNED)
    pruned = _facts(model.counts(), perplexity(model.log10_prob, model.order, dev))
    vocabulary.write(output_dir / VOCABULARY)
    facts = {
        "level": options.level,
        "order": options.order,
        "min_count": options.min_count,
        "prune_threshold": options.prune_threshold,
        **({"mixed_with": _source(options.mix_arpa) | mixture} if options.mix_arpa else {}),
        "sources": [_source(path) for path in texts],
        "dev": {
            **_source(dev_text),
            "sentences": len(dev),
            "words": dev_words,
            "words_split": dev_split,
            "tokens": sum(map(len, dev)),
            "oov_rate": pruned.pop("oov_rate"),
        },
        "train": {"sentences": len(sentences), "tokens": sum(map(len, sentences))},
        "vocabulary": len(vocabulary),
        "unseen_characters": len(vocabulary.unseen),
        "unpruned": {name: value for name, value in unpruned.items() if name != "oov_rate"},
        "pruned": pruned,
        "seconds": timer.end(),
    }
    (output_dir / FACTS).write_text(
        json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    return facts


def _general_model(options: NgramOptions, words: Collection[str]) -> NgramModel | None:
    """Return the model to mix with, of its likely words and those of the text."""
    if options.mix_arpa is None:
        return None
    model = read_arpa(options.mix_arpa)
    return limit_words(model, likely_words(model, options.mix_words) | {*words})


def _mix(
    general: NgramModel, arpa: Arpa, dev: Sequence[Sequence[str]], weight: float | None
) -> tuple[Arpa, float]:
    """Return the mixture of a general model with that of the text, and the general one's weight."""
    own = to_model(arpa)
    if weight is None:
        weight = best_weight(general, own, dev)
    return from_model(interpolate(general, own, weight)), weight


def _facts(counts: Sequence[int], measured: NgramPerplexity) -> dict[str, Any]:
    return {
        "ngrams": list(counts),
        "perplexity": round(measured.per_token, 3),
        "perplexity_per_character": round(measured.per_character, 3),
        "oov_rate": round(measured.unknown_rate, 6),
    }


def _check_sums(model: NgramModel, path: Path) -> None:
    distance, history = highest_sum_error(model)
    if not distance <= _SUM_TOLERANCE:
        raise ValueError(
            f"{path}: probabilities after {' '.join(history) or 'no word'!r} are {distance:.1e} "
            f"from summing up to 1 (allowed: {_SUM_TOLERANCE:g}); try more text or a lower order"
        )


def _source(path: str | Path) -> dict[str, str]:
    with open(path, "rb") as file:
        return {"path": str(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


class _Timer:
    """Reports phases when they start and measures how long each takes."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._began: list[tuple[str, float]] = []

    def begin(self, phase: str) -> None:
        self._report(phase)
        self._began.append((phase, time.monotonic()))

    def end(self) -> dict[str, float]:
        ends = [start for _, start in self._began[1:]] + [time.monotonic()]
        return {
            phase: round(end - start, 1)
            for (phase, start), end in zip(self._began, ends, strict=True)
        }
