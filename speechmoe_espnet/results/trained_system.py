"""Records of a trained system: training, decoding and scores, read without loading a model.

A record that a system does not have by nature (routing of a dense model) is None. A missing record
that every system has, such as a score or `model.json`, is an error: a report must not silently
compare fewer sets than requested.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.json_files import (
    number,
    parse_object,
    read_object,
    shown,
    whole_number,
)
from speechmoe_espnet.data.text_file import read_lines
from speechmoe_espnet.pipeline.digests import DONE, read_mark
from speechmoe_espnet.results.decoding import Decoding
from speechmoe_espnet.results.set_outcome import SYLLABLE_SCORE, SetOutcome, load_set_outcome
from speechmoe_espnet.scoring.cer import Counts, UtteranceScore, pool
from speechmoe_espnet.system.provenance import UNKNOWN

MODEL_KEYS = (
    "params_total",
    "params_active",
    "flops_per_second_of_audio",
    "flops_without_embedding_network",
)

EPOCHS_FILE = "train_stats.jsonl"
ORIGIN = "origin.json"
"""Says in an experiment that it was not trained there, and what model it is a copy of."""

_MEASURED = ("seconds_train", "seconds_waiting")


@dataclass(frozen=True)
class System:
    """One trained system with its results.

    Attributes:
        name: Name of the system in the report.
        directory: Experiment directory.
        model: Parameters and FLOPs, with the keys of `MODEL_KEYS`.
        epochs: Records of `train_stats.jsonl`, one per epoch, in order; none where the model was
            trained elsewhere (`ORIGIN`) and they were not given along.
        sets: Results by set.
        commit: Commit that trained the system, `unknown` if not recorded.
        decoding: Search and weights, None if not recorded.
    """

    name: str
    directory: Path
    model: dict[str, int]
    epochs: tuple[dict[str, Any], ...]
    sets: dict[str, SetOutcome]
    commit: str
    decoding: Decoding | None = None

    @property
    def metric(self) -> str:
        """`cer` or `ser`; the same for all sets."""
        return next(iter(self.sets.values())).metric

    @property
    def steps(self) -> int:
        """Number of optimiser steps of this system's own training."""
        return int(self.epochs[-1]["steps"]) if self.epochs else 0

    @property
    def seconds_training(self) -> float:
        """Duration of this system's own training in seconds."""
        return float(sum(epoch["seconds"] for epoch in self.epochs))

    @property
    def share_waiting(self) -> float | None:
        """Share of the training epochs spent waiting for data; None if not recorded."""
        if not self.epochs or any(key not in epoch for epoch in self.epochs for key in _MEASURED):
            return None
        training, waiting = (sum(float(epoch[key]) for epoch in self.epochs) for key in _MEASURED)
        return waiting / training

    @property
    def rtf(self) -> float:
        """Real-time factor: decoding time divided by the duration of the audio, over all sets."""
        audio = sum(outcome.seconds_audio for outcome in self.sets.values())
        return sum(outcome.seconds_decode for outcome in self.sets.values()) / audio

    @property
    def rtf_measured_with(self) -> str:
        """Processes, threads and device that decoded, `-` where not recorded."""
        found = {outcome.measured_with or "-" for outcome in self.sets.values()}
        return ", ".join(sorted(found))

    @property
    def total(self) -> Counts:
        """Counts pooled over the sets."""
        return pool(outcome.counts for outcome in self.sets.values())

    @property
    def syllable_counts(self) -> dict[str, Counts]:
        """Counts in units by set, and of all sets as `total`; empty if not scored in units."""
        counts = {
            name: outcome.syllable_counts
            for name, outcome in self.sets.items()
            if outcome.syllable_counts is not None
        }
        return {**counts, "total": pool(counts.values())} if counts else {}

    @property
    def mixed_counts(self) -> dict[str, Counts]:
        """Counts in characters and Latin words, of those sets that have such words."""
        return {name: item.mixed for name, item in self.sets.items() if item.mixed is not None}


def load_system(name: str, directory: str | Path, decode: str, sets: Sequence[str]) -> System:
    """Read one system.

    Args:
        name: Name of the system in the report.
        directory: Experiment directory.
        decode: Name of the decoding: the name of its directory without `decode_`.
        sets: Evaluation sets, at least one.

    Raises:
        FileNotFoundError: Training statistics, `model.json`, a score or a real-time factor is
            missing; the message names the file and the system.
        ValueError: A file has the wrong contents; the message names it.
    """
    directory = Path(directory)
    decoded = directory / f"decode_{decode}"
    in_units = [name for name in sets if (decoded / name / SYLLABLE_SCORE).is_dir()]
    try:
        system = System(
            name=name,
            directory=directory,
            model=_read_model(decoded / "model.json"),
            epochs=_read_epochs(directory / EPOCHS_FILE),
            sets={
                set_name: load_set_outcome(decoded / set_name, scored_in_units=in_units)
                for set_name in sets
            },
            commit=_read_commit(directory / DONE),
            decoding=Decoding.load(decoded),
        )
    except FileNotFoundError as error:
        raise FileNotFoundError(f"system {name}: {error}") from None
    except ValueError as error:
        raise ValueError(f"system {name}: {error}") from None
    metrics = {set_name: outcome.metric for set_name, outcome in system.sets.items()}
    if len(set(metrics.values())) > 1:
        raise ValueError(f"system {name}: sets are scored by different metrics: {metrics}")
    return system


def check_comparable(systems: Sequence[System]) -> None:
    """Check that all systems were scored on the same references by the same metric.

    Raises:
        ValueError: References or metrics differ; the message names systems, set and up to five
            utterances.
    """
    first = systems[0]
    for system in systems[1:]:
        if system.metric != first.metric:
            raise ValueError(
                f"system {first.name} is scored by {first.metric}, {system.name} by "
                f"{system.metric}; score both by the same metric"
            )
        for set_name, outcome in system.sets.items():
            _check_references(
                set_name, (first, system), (first.sets[set_name].utterances, outcome.utterances)
            )
    with_syllables = [system for system in systems if system.syllable_counts]
    for system in with_syllables[1:]:
        first = with_syllables[0]
        for set_name, outcome in system.sets.items():
            _check_references(
                f"{set_name}, in units",
                (first, system),
                (first.sets[set_name].syllables or (), outcome.syllables or ()),
            )


def _check_references(
    place: str,
    systems: tuple[System, System],
    scores: tuple[Sequence[UtteranceScore], Sequence[UtteranceScore]],
) -> None:
    first, second = ({item.utt: item.ref for item in items} for items in scores)
    odd = sorted(utt for utt in first.keys() | second.keys() if first.get(utt) != second.get(utt))
    if odd:
        raise ValueError(
            f"set {place}: systems {systems[0].name} and {systems[1].name} were scored on "
            f"different references, in {len(odd)} utterances: {', '.join(odd[:5])}; "
            f"decode and score both again on the same data"
        )


def _read_model(path: Path) -> dict[str, int]:
    fields = read_object(path, MODEL_KEYS)
    for key in MODEL_KEYS:
        if not number(fields, key, path) > 0:
            raise ValueError(f"{path}: {key} must be a positive number, got {fields[key]!r}")
    return {key: round(fields[key]) for key in MODEL_KEYS}


def _read_commit(path: Path) -> str:
    mark = read_mark(path) or {}
    return str(mark.get("commit") or UNKNOWN)


def _read_epochs(path: Path) -> tuple[dict[str, Any], ...]:
    if not path.is_file() and (path.parent / ORIGIN).is_file():
        return ()
    by_epoch: dict[int, dict[str, Any]] = {}
    for count, line in enumerate(read_lines(path, nfc=False), start=1):
        place = f"{path}:{count}"
        # A mean that is not finite is left out of curves; earlier versions wrote it as NaN.
        record = parse_object(line, ("epoch", "steps", "seconds", "train"), place, finite=False)
        for key in ("steps", "seconds", *(key for key in _MEASURED if key in record)):
            number(record, key, place)
        for part in ("train", "valid"):
            if not isinstance(record.get(part) or {}, dict):
                raise ValueError(f"{place}: {part} must be an object, got {shown(record[part])}")
        by_epoch[whole_number(record, "epoch", place)] = record
    if not by_epoch:
        raise ValueError(f"{path}: no epochs; has the training finished one?")
    return tuple(by_epoch[epoch] for epoch in sorted(by_epoch))
