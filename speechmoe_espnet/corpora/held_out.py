"""Development and test sets held out of a corpus that has none: always the same ones.

A tenth of the utterances goes to each, at least `LEAST` and at most `MOST`. Where there are at
least `MIN_SPEAKERS` speakers, whole speakers are held out, so that a result is about people who are
new; else, and where that would take more than half of the speech, single utterances are. Speakers
and utterances come in the order of a digest of their names: a set depends on names alone, not on
the order of files or the machine.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from speechmoe_espnet.data.kaldi_dir import DataDir, spk2utt_from

SHARE, LEAST, MOST = 10, 3, 1000
MIN_SPEAKERS = 10
MIN_TRAIN = 4


@dataclass(frozen=True)
class Split:
    """A corpus without, and what was held out.

    Attributes:
        train: What is left.
        held_out: Sets by name.
        by_speaker: Whether whole speakers were held out.
    """

    train: DataDir
    held_out: dict[str, DataDir]
    by_speaker: bool


def hold_out(what: str, data: DataDir, names: Sequence[str]) -> Split:
    """Hold out sets of a corpus.

    Args:
        what: Name of the corpus in messages.
        data: The corpus.
        names: The sets to hold out, at least one.

    Raises:
        ValueError: There are too few utterances.
    """
    total = len(data.text)
    wanted = min(MOST, max(LEAST, round(total / SHARE)))
    if total < LEAST * len(names) + MIN_TRAIN:
        raise ValueError(
            f"{what}: {total} utterances are too few to hold out {LEAST} for each of "
            f"{', '.join(names)} and to train on {MIN_TRAIN}; record more, or give the sets "
            f"yourself as folders or tables named train, dev and test"
        )
    speakers = {name: names.split() for name, names in spk2utt_from(data.utt2spk).items()}
    # Where speakers are unknown, each utterance has one of its own.
    by_speaker = MIN_SPEAKERS <= len(speakers) < total
    chosen = _choose(speakers, names, wanted)
    if not by_speaker or 2 * sum(map(len, chosen)) > total:
        by_speaker = False
        chosen = _choose({name: [name] for name in data.text}, names, wanted)
    used = {name for members in chosen for name in members}
    train = data.part(data.text.keys() - used)
    sets = {name: data.part(members) for name, members in zip(names, chosen, strict=True)}
    assert train is not None
    return Split(train, {name: part for name, part in sets.items() if part}, by_speaker)


def _choose(groups: dict[str, list[str]], names: Sequence[str], wanted: int) -> list[list[str]]:
    """Fill each set with whole groups, in the order of their digests."""
    pending = sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest())
    chosen: list[list[str]] = []
    for _ in names:
        members: list[str] = []
        while pending and len(members) < wanted:
            members += groups[pending.pop()]
        chosen.append(members)
    return chosen
