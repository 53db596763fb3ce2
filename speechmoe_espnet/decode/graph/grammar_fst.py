"""Grammar G: an n-gram model as a transducer, made by kaldilm.

kaldilm has a reader of its own, which takes CR for a part of a word, knows no gzip, aborts at a
back-off of the highest order, and gives an empty grammar where `</s>` is missing. It therefore
never sees the user's file: `read_grammar` reads and checks that, and writes what it read as kaldilm
wants it.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import kaldifst
import kaldilm

from speechmoe_espnet.decode.graph.lexicon_fst import BACKOFF_WORD, EPS_WORD, SPECIAL_WORDS
from speechmoe_espnet.lm.arpa import read_sentence_model, write_arpa
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


def read_grammar(arpa: str | Path, order: int | None, checked: Path) -> Grammar:
    """Read and check an n-gram model; only the fields of `Grammar` stay in memory.

    Args:
        arpa: An ARPA file; all of it is checked.
        order: Required order; None accepts any.
        checked: File to write: what was read, for `grammar_fst`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not an ARPA file of whole sentences, has a word with a name that
            graphs reserve, or is of another order.
    """
    model = read_sentence_model(arpa)
    if order is not None and model.order != order:
        raise ValueError(
            f"{arpa}: a model of order {model.order}, but order {order} was asked for; train it "
            f"again with that order, or ask for {model.order}"
        )
    words = frozenset(ngram[0] for ngram in model.ngrams if len(ngram) == 1)
    if reserved := sorted(words & {EPS_WORD, BACKOFF_WORD}):
        raise ValueError(f"{arpa}: {', '.join(reserved)}: reserved names; rename these words")
    write_arpa(checked, model)
    return Grammar(words - {*SPECIAL_WORDS, UNKNOWN}, model.counts())


def grammar_fst(arpa: str | Path, word_ids: Mapping[str, int]) -> kaldifst.StdVectorFst:
    """Make the grammar: input and output are word ids, costs are negative natural logarithms.

    Back-off arcs read `#0`; start and end of a sentence read nothing. n-grams with a word that has
    no id are left out.

    Args:
        arpa: The file that `read_grammar` wrote.
        word_ids: Id of each word, of `#0`, `<s>` and `</s>`.

    Raises:
        ValueError: kaldilm cannot convert the file, or no sentence of the model can be said with
            these words.
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
            lines = log.read_text("utf-8", "replace").split("\n")
            raise ValueError(f"kaldilm cannot convert the n-gram model: {' '.join(lines).strip()}")
        grammar = kaldifst.StdVectorFst.read(str(target))
    if grammar.num_states == 0:
        raise ValueError("no sentence of the n-gram model can be said with the lexicon's words")
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
