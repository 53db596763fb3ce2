"""Grammar G: an ARPA model as a transducer, made by kaldilm."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import kaldifst
import kaldilm

from speechmoe_espnet.decode.graph.lexicon_fst import BACKOFF_WORD, SPECIAL_WORDS
from speechmoe_espnet.lm.arpa import read_arpa
from speechmoe_espnet.lm.vocabulary import BEGIN, END, UNKNOWN


@dataclass(frozen=True)
class Grammar:
    """Facts about an n-gram model that a graph needs in addition to the transducer.

    Attributes:
        words: Its words without special ones such as `<s>`.
        num_ngrams: Number of n-grams of each order.
    """

    words: frozenset[str]
    num_ngrams: tuple[int, ...]

    @property
    def order(self) -> int:
        """Length of the longest n-grams."""
        return len(self.num_ngrams)


def read_grammar(arpa: str | Path, order: int | None) -> Grammar:
    """Read and check an n-gram model; only the fields of `Grammar` stay in memory.

    Args:
        arpa: An ARPA file; all of it is checked.
        order: Required order; None accepts any.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not an ARPA file, or the order is another one.
    """
    model = read_arpa(arpa)
    if order is not None and model.order != order:
        raise ValueError(
            f"{arpa}: a model of order {model.order}, but order {order} was asked for; train it "
            f"again with that order, or ask for {model.order}"
        )
    words = frozenset(ngram[0] for ngram in model.ngrams if len(ngram) == 1)
    return Grammar(words - {*SPECIAL_WORDS, UNKNOWN}, model.counts())


def grammar_fst(arpa: str | Path, word_ids: Mapping[str, int]) -> kaldifst.StdVectorFst:
    """Make the grammar: input and output are word ids, costs are negative natural logarithms.

    Back-off arcs read `#0`; start and end of a sentence read nothing. n-grams with a word that has
    no id are left out.

    Args:
        arpa: An ARPA file that `read_grammar` has read.
        word_ids: Id of each word, of `#0`, `<s>` and `</s>`.

    Raises:
        ValueError: kaldilm cannot convert the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        table, target, log = (Path(folder, name) for name in ("words.txt", "G.fst", "log"))
        table.write_text("".join(f"{word} {id_}\n" for word, id_ in word_ids.items()), "utf-8")
        with _native_stderr_to(log):
            kaldilm.arpa2fst(
                str(arpa),
                output_fst=str(target),
                bos_symbol=BEGIN,
                eos_symbol=END,
                disambig_symbol=BACKOFF_WORD,
                read_symbol_table=str(table),
                max_arpa_warnings=0,
            )
        if not target.is_file():
            raise ValueError(f"{arpa}: kaldilm cannot convert it: {log.read_text('utf-8')}")
        grammar = kaldifst.StdVectorFst.read(str(target))
    kaldifst.arcsort(grammar, "ilabel")
    return grammar


@contextmanager
def _native_stderr_to(path: Path) -> Iterator[None]:
    """Redirect standard error of native code into a file."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(path, "wb") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
