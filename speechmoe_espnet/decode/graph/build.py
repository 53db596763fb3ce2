"""Construction of HLG: CTC topology, lexicon and grammar as one transducer.

L is composed with G, then determinized and minimised. Its disambiguation symbols become epsilon,
and H is composed with the result. HLG itself is not determinized: H only spreads each arc over
frames, in exactly one way for each CTC path.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import kaldifst
import numpy as np

from speechmoe_espnet.data.lexicon import Pronunciation
from speechmoe_espnet.decode.graph.fst_arrays import EPSILON, FstArrays
from speechmoe_espnet.decode.graph.grammar_fst import Grammar, grammar_fst, read_grammar
from speechmoe_espnet.decode.graph.lexicon_fst import (
    WordList,
    lexicon_fst,
)
from speechmoe_espnet.decode.graph.topology import backoff_label, ctc_topology


@dataclass(frozen=True)
class BuiltGraph:
    """A graph and facts about its construction.

    Attributes:
        fst: HLG: unit labels in, word ids out.
        words: Its words.
        order: Order of the grammar.
        num_ngrams: n-grams of each order in the grammar's file.
        words_without_pronunciation: Words of the grammar that the lexicon lacks; the search
            cannot output them.
        words_without_probability: Words of the lexicon that the grammar lacks; the search cannot
            output them either.
        steps: Name, number of states and arcs, and seconds of each step.
    """

    fst: FstArrays
    words: WordList
    order: int
    num_ngrams: tuple[int, ...]
    words_without_pronunciation: tuple[str, ...]
    words_without_probability: tuple[str, ...]
    steps: tuple[tuple[str, int, int, float], ...]


def build_graph(
    lexicon: Mapping[str, Sequence[Pronunciation]],
    arpa: str | Path,
    tokens: Sequence[str],
    *,
    order: int | None = None,
    blank_id: int = 0,
    report: Callable[[str], None] = lambda line: None,
) -> BuiltGraph:
    """Build a graph.

    Args:
        lexicon: Pronunciations by word.
        arpa: The grammar, an ARPA file over words.
        tokens: Tokens of the model by id.
        order: Required order of the grammar; None accepts any.
        blank_id: Id of the blank.
        report: Called with a line of text after each step.

    Returns:
        The graph.

    Raises:
        FileNotFoundError: There is no such ARPA file.
        ValueError: The grammar is not valid or of another order, the lexicon has a unit that the
            model lacks, the two have no word in common, or no sentence is left.
    """
    steps = _Steps(report)
    with TemporaryDirectory() as folder:
        checked = Path(folder, "checked.arpa")
        grammar = read_grammar(arpa, order, checked)
        words = _common_words(arpa, lexicon, grammar)
        try:
            g_fst = grammar_fst(checked, words.ids)
        except ValueError as error:
            raise ValueError(f"{arpa}: {error}") from None
    usable = {word: units for word, units in sorted(lexicon.items()) if word in grammar.words}
    unit_ids = {token: number for number, token in enumerate(tokens)}

    steps.done("G", FstArrays.from_fst(g_fst))
    arrays, num_symbols = lexicon_fst(usable, words.ids, unit_ids)
    steps.done("L", arrays)
    fst = arrays.to_fst()
    kaldifst.arcsort(fst, "olabel")
    fst = kaldifst.compose(fst, g_fst)
    del g_fst
    kaldifst.determinize_star(fst)
    steps.done("LG, determinized", FstArrays.from_fst(fst))
    kaldifst.minimize_encoded(fst)
    arrays = FstArrays.from_fst(fst)
    steps.done("LG, minimised", arrays)

    backoff = backoff_label(len(tokens))
    arcs = arrays.arcs.copy()
    is_symbol = (arcs["ilabel"] >= backoff) & (arcs["ilabel"] <= backoff + num_symbols)
    arcs["ilabel"][is_symbol] = EPSILON
    used = np.unique(arcs["ilabel"])
    fst = FstArrays(arrays.start, arrays.final, arrays.num_arcs, arcs).to_fst()
    kaldifst.arcsort(fst, "ilabel")
    topology = ctc_topology(used[used != EPSILON].astype(np.int64) - 1, blank_id).to_fst()
    kaldifst.arcsort(topology, "olabel")
    fst = kaldifst.compose(topology, fst)
    kaldifst.arcsort(fst, "ilabel")
    arrays = FstArrays.from_fst(fst)
    steps.done("HLG", arrays)
    if not len(arrays.final) or not (arrays.arcs["olabel"] != EPSILON).any():
        raise ValueError(
            f"{arpa}: the graph has no sentence: no words of the n-gram model follow each other "
            f"that the lexicon can spell"
        )
    return BuiltGraph(
        fst=arrays,
        words=words,
        order=grammar.order,
        num_ngrams=grammar.num_ngrams,
        words_without_pronunciation=tuple(sorted(grammar.words - usable.keys())),
        words_without_probability=tuple(sorted(lexicon.keys() - grammar.words)),
        steps=tuple(steps.all_),
    )


def _common_words(
    arpa: str | Path, lexicon: Mapping[str, Sequence[Pronunciation]], grammar: Grammar
) -> WordList:
    words = tuple(word for word in sorted(lexicon) if word in grammar.words)
    if not words:
        raise ValueError(
            f"{arpa}: has none of the {len(lexicon)} words of the lexicon; make the lexicon of "
            f"the model's vocabulary"
        )
    return WordList.of_lexicon(words)


class _Steps:
    """Records the size and the duration of each step."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.all_: list[tuple[str, int, int, float]] = []
        self._report = report
        self._begun = time.perf_counter()

    def done(self, name: str, fst: FstArrays) -> None:
        seconds = time.perf_counter() - self._begun
        self.all_.append((name, len(fst.final), len(fst.arcs), round(seconds, 2)))
        self._report(f"{name}: {len(fst.final)} states, {len(fst.arcs)} arcs, {seconds:.1f} s")
        self._begun = time.perf_counter()
