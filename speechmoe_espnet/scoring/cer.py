"""Error rates by jiwer, pooled over utterances that are joined by id.

jiwer's command line drops lines of one character, so that its functions are called. This module
keeps the alignment of each utterance: the report, the bootstrap and the error listing all use
the same alignment.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from speechmoe_espnet.data.json_files import parse_object, shown, whole_number
from speechmoe_espnet.data.kaldi_dir import check_same_ids
from speechmoe_espnet.data.markup import UNKNOWN_UNIT
from speechmoe_espnet.data.table import join_error
from speechmoe_espnet.data.text_norm import normalize_text
from speechmoe_espnet.scoring.alignment import align_each

METRICS = ("cer", "ser")
UNIT_NAMES = {"cer": "characters", "ser": "syllables"}
UNKNOWN_CHARACTER = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Counts:
    """Pooled counts of some utterances.

    Attributes:
        num_utts: Utterances.
        num_chars: Characters (syllables for `ser`) of the references.
        sub: Substituted characters.
        del_: Deleted characters, `del` in files.
        ins: Inserted characters.
    """

    num_utts: int
    num_chars: int
    sub: int
    del_: int
    ins: int

    @property
    def num_errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.sub + self.del_ + self.ins

    @property
    def cer(self) -> float:
        """Error rate in percent of the reference characters; may exceed 100."""
        return 100.0 * self.num_errors / self.num_chars

    def to_dict(self) -> dict[str, float | int]:
        """Return the counts in the format of `cer.json` and `results.json`."""
        return {
            "cer": self.cer,
            "num_utts": self.num_utts,
            "num_chars": self.num_chars,
            "sub": self.sub,
            "del": self.del_,
            "ins": self.ins,
        }


@dataclass(frozen=True)
class UtteranceScore:
    """Score of one utterance.

    Attributes:
        utt: Utterance id.
        spk: Speaker id.
        num_chars: Characters (syllables for `ser`) of the reference, at least 1.
        sub: Substituted characters.
        del_: Deleted characters, `del` in files.
        ins: Inserted characters.
        ref: Reference as compared.
        hyp: Hypothesis as compared, may be empty.
    """

    utt: str
    spk: str
    num_chars: int
    sub: int
    del_: int
    ins: int
    ref: str
    hyp: str

    @property
    def num_errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.sub + self.del_ + self.ins

    @classmethod
    def from_json(cls, line: str, place: str) -> Self:
        """Read a line of `utts.jsonl`.

        Args:
            line: The line.
            place: Its place in messages.

        Raises:
            ValueError: The line is not such an object; the message says what is wrong.
        """
        fields = parse_object(line, (), place)
        fields["del_"] = fields.pop("del", None)
        kinds = {field.name: field.type for field in dataclasses.fields(cls)}
        if fields.keys() != kinds.keys():
            raise ValueError(f"{place}: expected the keys {sorted(kinds)}, got {shown(line)}")
        for name, kind in kinds.items():
            if kind is int:
                whole_number(fields, name, place)
            elif not isinstance(fields[name], str):
                raise ValueError(f"{place}: {name} must be text, got {shown(fields[name])}")
        return cls(**fields)

    def to_json(self) -> str:
        """Return the score as a line of `utts.jsonl`."""
        fields = {key.rstrip("_"): value for key, value in asdict(self).items()}
        return json.dumps(fields, ensure_ascii=False)


def comparable_text(text: str, metric: str, *, is_hypothesis: bool = False) -> str:
    """Convert a transcript into the form that is scored.

    Args:
        text: A transcript.
        metric: `cer`: characters that `normalize_text` keeps; `ser`: units between white space.
        is_hypothesis: Whether `<unk>` in the text is the unknown token of the recogniser; it
            counts as one wrong character (U+FFFD). In a reference it is a mark, which is not said.

    Returns:
        For `cer` a string without spaces, for `ser` units separated by one space.

    Raises:
        ValueError: The metric is unknown.
    """
    if metric == "ser":
        return " ".join(text.split())
    if metric != "cer":
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    if is_hypothesis:
        return UNKNOWN_CHARACTER.join(map(normalize_text, UNKNOWN_UNIT.split(text)))
    return normalize_text(text)


def empty_references(refs: Mapping[str, str], metric: str) -> set[str]:
    """Find the references of which nothing is left to compare, e.g. noise alone.

    An error rate needs a reference. Such utterances are left out of training and scoring.

    Args:
        refs: Reference by utterance id.
        metric: As for `comparable_text`.

    Returns:
        Their ids.
    """
    return {name for name, text in refs.items() if not comparable_text(text, metric)}


def score_texts(
    refs: Mapping[str, str],
    hyps: Mapping[str, str],
    utt2spk: Mapping[str, str],
    *,
    metric: str = "cer",
    ref_name: str | Path = "reference text",
    hyp_name: str | Path = "hypothesis text",
    spk_name: str | Path = "utt2spk",
) -> list[UtteranceScore]:
    """Compare hypotheses with references, joined by utterance id.

    Args:
        refs: Reference by utterance id; `empty_references` are left out.
        hyps: Hypothesis by utterance id; an empty one counts as deletions.
        utt2spk: Speaker by utterance id; may contain further utterances.
        metric: `cer` or `ser`.
        ref_name: Name of the references in messages.
        hyp_name: Name of the hypotheses in messages.
        spk_name: Name of the speaker table in messages.

    Returns:
        The scores, sorted by utterance id.

    Raises:
        ValueError: There are no references, an utterance is missing or extra, all references are
            empty after normalisation, or the metric is unknown; up to five utterances are named.
    """
    if not refs:
        raise ValueError(f"{ref_name}: no utterances")
    empty = empty_references(refs, metric)
    check_same_ids(ref_name, refs.keys() - (empty - hyps.keys()), hyp_name, hyps)
    if without := refs.keys() - utt2spk.keys():
        raise join_error(spk_name, f"lacks utterances that {ref_name} has:", without)
    names = sorted(refs.keys() - empty)
    if not names:
        raise join_error(ref_name, "nothing is left to compare, after normalisation, of", empty)
    ref_texts = [comparable_text(refs[name], metric) for name in names]
    hyp_texts = [comparable_text(hyps[name], metric, is_hypothesis=True) for name in names]
    scores = []
    for name, ref, hyp, pairs in zip(
        names, ref_texts, hyp_texts, align_each(ref_texts, hyp_texts, metric), strict=True
    ):
        operations = [pair.operation for pair in pairs]
        insertions = operations.count("insert")
        scores.append(
            UtteranceScore(
                utt=name,
                spk=utt2spk[name],
                num_chars=len(operations) - insertions,
                sub=operations.count("substitute"),
                del_=operations.count("delete"),
                ins=insertions,
                ref=ref,
                hyp=hyp,
            )
        )
    return scores


def pool(scores: Iterable[UtteranceScore | Counts]) -> Counts:
    """Add up counts, so that the error rate of a set is pooled, not a mean of rates."""
    items = list(scores)
    return Counts(
        num_utts=sum(item.num_utts if isinstance(item, Counts) else 1 for item in items),
        num_chars=sum(item.num_chars for item in items),
        sub=sum(item.sub for item in items),
        del_=sum(item.del_ for item in items),
        ins=sum(item.ins for item in items),
    )


def pool_by_speaker(scores: Iterable[UtteranceScore]) -> dict[str, Counts]:
    """Add up the counts of each speaker; speakers are sorted by id."""
    speakers: dict[str, list[UtteranceScore]] = {}
    for score in scores:
        speakers.setdefault(score.spk, []).append(score)
    return {speaker: pool(speakers[speaker]) for speaker in sorted(speakers)}
