"""N-gram over the units of a model, compiled into tensors for batched look-up.

Prefix searches need the probability of each unit after each prefix, many times per frame.
Histories become numbered states, n-grams become arcs in one sorted table, and back-off becomes a
fixed number of look-ups, without a Python loop over hypotheses.

Shapes: V units of the model, S states; in a search B utterances, K beams, U candidate units.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import torch

from speechmoe_espnet.lm.arpa import Ngram, read_sentence_model

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
FLOOR_LOG10 = -7.0
"""Log10 probability of a unit that an n-gram without `<unk>` lacks."""

_ROOT = 0


@dataclass(frozen=True)
class NgramFusion:
    """A back-off n-gram as tensors, made by `from_arpa` or `from_ngrams`.

    A state is the longest relevant history: one that an n-gram extends or that has a back-off
    weight. All log-probabilities are natural, float64.

    Attributes:
        start: State at the beginning of an utterance.
        num_words: Number of words kept from the n-gram (W).
        word_of_unit: Word of each unit id, (V,).
        backoff_states: Each state and the states it backs off to, longest first, padded with -1;
            the empty history is left out, (S, order - 1).
        backoff_weights: Log weight of backing off to each of them, (S, order); the last column is
            for the empty history.
        arc_keys: state * W + word of each n-gram of order 2 and up, sorted, (A,).
        arc_log_probs: Log-probability of each arc, then of each unigram, (A + W,).
        arc_targets: State after each arc, then after each unigram, (A + W,).
        end_log_probs: Log-probability of the utterance ending in each state, (S,).
        most: Upper bound of all log-probabilities.
    """

    start: int
    num_words: int
    word_of_unit: torch.Tensor
    backoff_states: torch.Tensor
    backoff_weights: torch.Tensor
    arc_keys: torch.Tensor
    arc_log_probs: torch.Tensor
    arc_targets: torch.Tensor
    end_log_probs: torch.Tensor
    most: float

    @classmethod
    def from_ngrams(
        cls, ngrams: Iterable[tuple[Ngram, float, float]], units: Sequence[str]
    ) -> Self:
        """Compile a back-off model.

        Args:
            ngrams: Words, log10 probability and log10 back-off weight (0 if there is none) of each
                n-gram, as an ARPA file lists them. `<s>` starts and `</s>` ends an utterance.
            units: The model's units by id. A unit that the n-gram lacks has the probability of
                `<unk>` or, without `<unk>`, `FLOOR_LOG10`; the history after it is empty.

        Raises:
            ValueError: No unit except special ones is a word of the n-gram, `</s>` is missing, or
                the history or the last word of an n-gram is missing.
        """
        known = {unit for unit in units if unit not in (BEGIN, END, UNKNOWN)}
        table = {
            words: (log10_prob, log10_backoff)
            for words, log10_prob, log10_backoff in ngrams
            if all(word in known or word in (BEGIN, END, UNKNOWN) for word in words)
        }
        _check(table, known)
        table.setdefault((UNKNOWN,), (FLOOR_LOG10, 0.0))
        words = {ngram[0]: index for index, ngram in enumerate(n for n in table if len(n) == 1)}
        states = _number_states(table)
        order = max(map(len, table))

        singles = torch.full((len(words),), -math.inf, dtype=torch.float64)
        single_targets = torch.zeros(len(words), dtype=torch.long)
        keys, log_probs, targets = [], [], []
        for ngram, (log10_prob, _) in table.items():
            target = states[_longest_state(ngram, states)]
            if len(ngram) == 1:
                singles[words[ngram[0]]] = log10_prob * math.log(10)
                single_targets[words[ngram[0]]] = target
            else:
                keys.append(states[ngram[:-1]] * len(words) + words[ngram[-1]])
                log_probs.append(log10_prob * math.log(10))
                targets.append(target)
        arc_keys, order_of_arcs = torch.tensor(keys, dtype=torch.long).sort()
        arc_log_probs = torch.tensor(log_probs, dtype=torch.float64)[order_of_arcs]
        arc_targets = torch.tensor(targets, dtype=torch.long)[order_of_arcs]
        backoff_states, backoff_weights = _backoff_chains(table, states, order)
        unknown = words[UNKNOWN]
        compiled = cls(
            start=states[_longest_state((BEGIN,), states)],
            num_words=len(words),
            word_of_unit=torch.tensor(
                [words.get(unit, unknown) if unit in known else unknown for unit in units]
            ),
            backoff_states=backoff_states,
            backoff_weights=backoff_weights,
            arc_keys=arc_keys,
            arc_log_probs=torch.cat([arc_log_probs, singles]),
            arc_targets=torch.cat([arc_targets, single_targets]),
            end_log_probs=torch.zeros(len(states), dtype=torch.float64),
            most=0.0,
        )
        every = torch.arange(len(states))
        end_log_probs, _ = compiled._look_up(every, torch.tensor(words[END]))
        most = compiled.arc_log_probs.max() + max(0.0, float(backoff_weights.max()))
        return replace(compiled, end_log_probs=end_log_probs, most=float(most))

    @classmethod
    def from_arpa(cls, path: str | Path, units: Sequence[str]) -> Self:
        """Compile an ARPA file; see `from_ngrams`.

        Args:
            path: The file; `.gz` is decompressed.
            units: The model's units by id.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is not a complete ARPA file, or as `from_ngrams`; the message names
                the file.
        """
        model = read_sentence_model(path)
        try:
            return cls.from_ngrams(model.entries(), units)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def check_num_units(self, num_units: int) -> None:
        """Check the number of units of the posteriors.

        Raises:
            ValueError: The n-gram was compiled for another number of units than `num_units`.
        """
        if len(self.word_of_unit) != num_units:
            raise ValueError(
                f"lm is made for {len(self.word_of_unit)} units, log_probs have {num_units}; "
                f"make it from the token list of the model"
            )

    def to(self, device: torch.device | str) -> "NgramFusion":
        """Return this model with its tensors on a device."""
        moved: dict[str, Any] = {
            field.name: value.to(device)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), torch.Tensor)
        }
        return replace(self, **moved)

    def extend(
        self, states: torch.Tensor, units: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Score units after states.

        Args:
            states: States.
            units: Unit ids; their shape broadcasts with that of the states.

        Returns:
            Log-probability of each pair, and its arc (for `advance`).
        """
        return self._look_up(states, self.word_of_unit[units])

    def advance(self, arcs: torch.Tensor) -> torch.Tensor:
        """Return the states that arcs of `extend` lead to."""
        return self.arc_targets[arcs]

    def _look_up(
        self, states: torch.Tensor, words: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        num_arcs = self.arc_keys.size(0)
        weights = self.backoff_weights[states]
        arcs = words + num_arcs
        log_probs = self.arc_log_probs[arcs] + weights[..., -1]
        if not num_arcs:
            return log_probs, arcs.expand_as(log_probs)
        # Shortest history first, so that longer ones overwrite shorter ones.
        histories = self.backoff_states[states]
        for level in reversed(range(histories.size(-1))):
            keys = histories[..., level] * self.num_words + words
            place = torch.searchsorted(self.arc_keys, keys).clamp_(max=num_arcs - 1)
            is_hit = self.arc_keys[place] == keys
            score = self.arc_log_probs[place] + weights[..., level]
            log_probs = torch.where(is_hit, score, log_probs)
            arcs = torch.where(is_hit, place, arcs)
        return log_probs, arcs


def _check(table: Mapping[Ngram, object], known: set[str]) -> None:
    shared = [ngram for ngram in table if len(ngram) == 1 and ngram[0] in known]
    if not shared:
        examples = ", ".join(sorted(known)[:3])
        raise ValueError(
            f"the n-gram has none of the model's {len(known)} units ({examples}, ...) among its "
            f"words; train it on text in the units of the model's token list"
        )
    if (END,) not in table:
        raise ValueError(f"the n-gram has no {END}; train it with ends of sentences")
    for ngram in table:
        for part in (ngram[:-1], ngram[-1:]):
            if part and part not in table:
                raise ValueError(
                    f"the n-gram has {' '.join(ngram)!r} but not {' '.join(part)!r}; "
                    f"an ARPA file must list both"
                )


def _number_states(table: Mapping[Ngram, tuple[float, float]]) -> dict[Ngram, int]:
    order = max(map(len, table))
    states: dict[Ngram, int] = {(): _ROOT}
    for ngram, (_, log10_backoff) in table.items():
        if len(ngram) > 1:
            states.setdefault(ngram[:-1], len(states))
        if log10_backoff != 0.0 and len(ngram) < order:
            states.setdefault(ngram, len(states))
    return states


def _longest_state(history: Ngram, states: Mapping[Ngram, int]) -> Ngram:
    while history not in states:
        history = history[1:]
    return history


def _backoff_chains(
    table: Mapping[Ngram, tuple[float, float]], states: Mapping[Ngram, int], order: int
) -> tuple[torch.Tensor, torch.Tensor]:
    chains = []
    weights = []
    for history in states:
        chain: list[int] = []
        sums: list[float] = []
        total = 0.0
        while history:
            chain.append(states[history])
            sums.append(total)
            total += table[history][1] * math.log(10)
            history = _longest_state(history[1:], states)
        padding = order - len(chain)
        chains.append(chain + [-1] * (padding - 1))
        weights.append(sums + [total] * padding)
    return (
        torch.tensor(chains, dtype=torch.long).reshape(len(states), order - 1),
        torch.tensor(weights, dtype=torch.float64),
    )
