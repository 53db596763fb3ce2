"""Back-off n-gram models and their ARPA files.

The reader checks counts, orders and histories, on which graph construction and searches rely. A
truncated or wrongly edited file is an error that names the line, not a silently worse search.

The format, section by section::

    \\data\\
    ngram 1=COUNT
    ...

    \\1-grams:
    LOG10_PROBABILITY<tab>WORD[<tab>LOG10_BACKOFF]
    ...

    \\end\\
"""

import gzip
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from speechmoe_espnet.data.text_file import read_text

Ngram = tuple[str, ...]

_COUNT = re.compile(r"ngram[ \t]+(\d+)[ \t]*=[ \t]*(\d+)")
_SECTION = re.compile(r"\\(\d+)-grams:")
_END = "\\end\\"
_BLANKS = " \t\r"
_ROUNDING = 1e-4
NO_PROBABILITY = -99.0
"""log10 of what is no word to predict, such as `<s>`, by convention."""


@dataclass(frozen=True)
class NgramModel:
    """A back-off model.

    Attributes:
        order: Length of the longest n-grams.
        ngrams: log10 probability of the last word after the others, and log10 back-off weight
            (0 if there is none), by n-gram; shorter n-grams come first.
    """

    order: int
    ngrams: Mapping[Ngram, tuple[float, float]]

    def entries(self) -> Iterator[tuple[Ngram, float, float]]:
        """Yield n-gram, log10 probability and log10 back-off weight."""
        for ngram, (log10_prob, log10_backoff) in self.ngrams.items():
            yield ngram, log10_prob, log10_backoff

    def counts(self) -> tuple[int, ...]:
        """Number of n-grams of each order, starting with order 1."""
        counts = [0] * self.order
        for ngram in self.ngrams:
            counts[len(ngram) - 1] += 1
        return tuple(counts)

    def log10_prob(self, ngram: Ngram) -> float:
        """Return the log-probability of the last word after the others.

        Args:
            ngram: One word or more; words before the longest history of the model are ignored.

        Returns:
            log10 probability.

        Raises:
            KeyError: The last word is not in the model.
        """
        ngram = ngram[-self.order :]
        backoff = 0.0
        while (found := self.ngrams.get(ngram)) is None:
            if len(ngram) == 1:
                raise KeyError(ngram[0])
            history = self.ngrams.get(ngram[:-1])
            backoff += history[1] if history else 0.0
            ngram = ngram[1:]
        return backoff + found[0]


def write_arpa(path: str | Path, model: NgramModel, decimals: int = 7) -> None:
    """Write a model; the suffix `.gz` compresses the file.

    Args:
        path: File to write.
        model: The model; its words contain no white space.
        decimals: Decimals of the logarithms.
    """
    sections: list[list[str]] = [[] for _ in range(model.order)]
    for ngram, log10_prob, log10_backoff in model.entries():
        # The reader allows for rounding; a probability above 1 is read by nobody else.
        line = f"{min(log10_prob, 0.0):.{decimals}f}\t{' '.join(ngram)}"
        if log10_backoff:
            line += f"\t{log10_backoff:.{decimals}f}"
        sections[len(ngram) - 1].append(line)
    lines = ["\\data\\"]
    lines += [f"ngram {n}={len(section)}" for n, section in enumerate(sections, start=1)]
    for n, section in enumerate(sections, start=1):
        lines += ["", f"\\{n}-grams:", *section]
    lines += ["", _END, ""]
    content = "\n".join(lines).encode("utf-8")
    path = Path(path)
    path.write_bytes(gzip.compress(content, 6, mtime=0) if path.suffix == ".gz" else content)


def read_arpa(path: str | Path) -> NgramModel:
    """Read a model.

    Args:
        path: File, see `data.text_file.read_text`; `.gz` is decompressed.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a complete ARPA file: a line has the wrong format, an order or
            count differs from the header, a number is not valid, a log-probability is positive, an
            n-gram occurs twice, or its history or last word is missing. The message starts with
            `file:line`.
    """
    return _Reader(Path(path)).read()


def read_sentence_model(path: str | Path) -> NgramModel:
    """Read a model of whole sentences, as a search needs it: it begins and ends them.

    Args:
        path: As for `read_arpa`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: As `read_arpa`; or `<s>` or `</s>` is no word of the model, or stands within an
            n-gram.
    """
    model = read_arpa(path)
    for word, role in (("<s>", "beginning"), ("</s>", "end")):
        if (word,) not in model.ngrams:
            raise ValueError(
                f"{path}: has no {word}, the {role} of a sentence; estimate the model on whole "
                f"sentences, with {word} in its vocabulary (lmplz, ngram-count and `train_ngram` "
                f"do so)"
            )
    for ngram in model.ngrams:
        if "<s>" in ngram[1:] or "</s>" in ngram[:-1]:
            raise ValueError(
                f"{path}: n-gram `{' '.join(ngram)}` has <s> after its first word or </s> before "
                f"its last, which no sentence has; estimate the model on one sentence a line, "
                f"without <s> and </s> in the text"
            )
    return model


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = read_text(path).split("\n")
        self._at = 0
        self._ngrams: dict[Ngram, tuple[float, float]] = {}

    def read(self) -> NgramModel:
        counts = self._read_counts()
        for order, count in enumerate(counts, start=1):
            line = self._next()
            match = _SECTION.fullmatch(line)
            if not match or int(match[1]) != order:
                raise self._error(f"expected \\{order}-grams:, got {line!r}")
            self._read_section(order, count, last=order == len(counts))
        line = self._next()
        if line != _END:
            raise self._error(f"expected {_END} after {len(counts)} orders, got {line!r}")
        return NgramModel(len(counts), self._ngrams)

    def _read_counts(self) -> list[int]:
        while self._next() != "\\data\\":
            pass
        counts: list[int] = []
        while match := _COUNT.fullmatch(self._next()):
            if int(match[1]) != len(counts) + 1:
                raise self._error(f"expected the count of order {len(counts) + 1}, got {match[0]}")
            counts.append(int(match[2]))
        if not counts:
            raise self._error("no line `ngram 1=COUNT` after \\data\\")
        self._at -= 1
        return counts

    def _next(self) -> str:
        """Return the next line that is not blank."""
        while self._at < len(self._lines):
            self._at += 1
            if line := self._lines[self._at - 1].strip(_BLANKS):
                return line
        raise self._error(f"the file ends before {_END}; it is cut off or not an ARPA file")

    def _read_section(self, order: int, count: int, last: bool) -> None:
        ngrams, lines = self._ngrams, self._lines
        found = 0
        for at in range(self._at, len(lines)):
            line = lines[at].strip(_BLANKS)
            if not line:
                continue
            if line[0] == "\\":
                break
            self._at = at + 1
            fields = line.split("\t")
            ngram = tuple(fields[1].split(" ")) if len(fields) > 1 else ()
            if len(ngram) != order or len(fields) > 3:
                fields, ngram = self._split(line, order)
            try:
                log10_prob = float(fields[0])
                log10_backoff = float(fields[2]) if len(fields) == 3 else 0.0
            except ValueError:
                raise self._error(f"not a number in {line!r}") from None
            if not (log10_prob <= _ROUNDING and math.isfinite(log10_prob + log10_backoff)):
                raise self._error(
                    f"log10 probability must be finite and at most 0, back-off finite: {line!r}"
                )
            if last and log10_backoff:
                raise self._error(f"an n-gram of the highest order has no back-off: {line!r}")
            if ngram in ngrams:
                raise self._error(f"n-gram {' '.join(ngram)} occurs twice")
            if order > 1 and (ngram[:-1] not in ngrams or ngram[-1:] not in ngrams):
                missing = ngram[-1] if ngram[:-1] in ngrams else " ".join(ngram[:-1])
                raise self._error(f"n-gram {' '.join(ngram)} lacks n-gram {missing}")
            ngrams[ngram] = (log10_prob, log10_backoff)
            found += 1
        if found != count:
            raise self._error(f"\\data\\ announces {count} {order}-grams, the file has {found}")

    def _split(self, line: str, order: int) -> tuple[list[str], Ngram]:
        """Split a line at tabs or spaces; some tools write spaces only."""
        fields = re.split(r"[ \t]+", line)
        if len(fields) not in (order + 1, order + 2):
            raise self._error(
                f"expected probability, {order} words and perhaps a back-off, got {line!r}"
            )
        return [fields[0], "", *fields[order + 1 :]], tuple(fields[1 : order + 1])

    def _error(self, problem: str) -> ValueError:
        return ValueError(f"{self._path}:{self._at}: {problem}")
