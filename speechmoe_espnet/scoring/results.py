"""`results.json`: what it holds, how it is made from systems, and a check of both.

The keys are an interface: scripts compare runs by them. So the writer checks its own output
with `validate_results`, the same function that tests and readers use.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from speechmoe_espnet.scoring import bootstrap
from speechmoe_espnet.scoring.bootstrap import Interval
from speechmoe_espnet.scoring.experiment import MODEL_KEYS, System, check_comparable
from speechmoe_espnet.scoring.provenance import UNKNOWN, commit, machine, versions

COUNT_KEYS = ("cer", "num_utts", "num_chars", "sub", "del", "ins")
INTERVAL_KEYS = ("mean", "low", "high")


@dataclass(frozen=True)
class Comparison:
    """Which two systems are compared, and what came out.

    Attributes:
        control: Name of the control.
        candidate: Name of the system held against it.
        by_set: Relative change by set, positive where the candidate is better.
        total: Relative change over all sets together.
    """

    control: str
    candidate: str
    by_set: dict[str, Interval]
    total: Interval


@dataclass(frozen=True)
class Provenance:
    """How a report came about.

    Attributes:
        seed: Seed of the run, also of the bootstrap.
        seconds_total: Time of the whole run in seconds, None where nobody measured it.
        meta: Free facts, such as the command and the preset.
        versions: Version by package.
        commit: Commit of the checkout that wrote the report.
        machine: What the times were measured on.
    """

    seed: int
    seconds_total: float | None = None
    meta: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=versions)
    commit: str = field(default_factory=commit)
    machine: dict[str, str | int] = field(default_factory=machine)


def compare(control: System, candidate: System, seed: int) -> Comparison:
    """Compare two systems by paired bootstrap, set by set and in total.

    Args:
        control: The system to be held against.
        candidate: The other system, scored on the same references.
        seed: Seed of the resamples.

    Raises:
        ValueError: The systems were scored on different references.
    """
    check_comparable([control, candidate])
    errors: dict[str, tuple[list[int], list[int]]] = {}
    for set_name, outcome in control.sets.items():
        other = {item.utt: item.num_errors for item in candidate.sets[set_name].utterances}
        errors[set_name] = (
            [item.num_errors for item in outcome.utterances],
            [other[item.utt] for item in outcome.utterances],
        )
    return Comparison(
        control=control.name,
        candidate=candidate.name,
        by_set={
            set_name: bootstrap.relative_change(*pair, seed=seed)
            for set_name, pair in errors.items()
        },
        total=bootstrap.relative_change(
            [count for ours, _ in errors.values() for count in ours],
            [count for _, theirs in errors.values() for count in theirs],
            strata=[index for index, pair in enumerate(errors.values()) for _ in pair[0]],
            seed=seed,
        ),
    )


def build_results(
    systems: Sequence[System], comparison: Comparison | None, provenance: Provenance
) -> dict[str, Any]:
    """Collect everything that `results.json` holds.

    Args:
        systems: The systems, in the order of the tables.
        comparison: The comparison of two of them, or None where there is one system only.
        provenance: How the report came about.

    Returns:
        A checked dictionary that JSON can hold.

    Raises:
        ValueError: The systems were scored on different references.
    """
    check_comparable(systems)
    by_set = comparison.by_set if comparison else {}
    results: dict[str, Any] = {
        "systems": {system.name: _system_results(system, provenance.seed) for system in systems},
        "relative_change": {name: interval.to_dict() for name, interval in by_set.items()},
        "relative_change_total": comparison.total.to_dict() if comparison else None,
        "control": comparison.control if comparison else None,
        "candidate": comparison.candidate if comparison else None,
        "metric": systems[0].metric,
        "seed": provenance.seed,
        "versions": provenance.versions,
        "commit": provenance.commit,
        "machine": provenance.machine,
        "seconds_total": provenance.seconds_total,
        "meta": provenance.meta,
    }
    validate_results(results)
    return results


def curves(system: System) -> dict[str, Any]:
    """Turn the records of training into one list a quantity.

    Returns:
        `steps` (number by epoch) and, under `train` and `valid`, each recorded quantity as a
        list of numbers as long as `steps`, None where an epoch lacks it or it is not finite.
        Times of parts of a step, and quantities without any number, are left out.
    """
    result: dict[str, Any] = {"steps": [int(epoch["steps"]) for epoch in system.epochs]}
    for part in ("train", "valid"):
        records = [epoch.get(part) or {} for epoch in system.epochs]
        names = sorted({name for record in records for name in record})
        values = {name: [_finite(record.get(name)) for record in records] for name in names}
        result[part] = {
            name: numbers
            for name, numbers in values.items()
            if not name.endswith("_time") and any(number is not None for number in numbers)
        }
    return result


def commit_note(results: Mapping[str, Any]) -> str:
    """Say which commit made what, where it was not one commit.

    Args:
        results: What `build_results` returns.

    Returns:
        A sentence, or nothing where systems and report are of one commit; commits that are
        unknown do not count as another one.
    """
    commits = {name: system["commit"] for name, system in results["systems"].items()}
    commits["this report"] = results["commit"]
    if len(set(commits.values()) - {UNKNOWN}) <= 1:
        return ""
    names: dict[str, list[str]] = {}
    for name, value in commits.items():
        names.setdefault(short_commit(value), []).append(name)
    parts = [f"{', '.join(group)} by {value}" for value, group in names.items()]
    return f"not all was made by one commit: {'; '.join(parts)}"


def short_commit(value: str) -> str:
    """Shorten a commit's id to twelve digits, with its `-dirty`."""
    head, dash, dirty = value.partition("-")
    return head[:12] + dash + dirty


def percent_waiting(share: float | None) -> str:
    """Write the share of a training that waited for data, `-` where it was not recorded."""
    return "-" if share is None else f"{100 * share:.1f} %"


def _system_results(system: System, seed: int) -> dict[str, Any]:
    return {
        **{key: system.model[key] for key in MODEL_KEYS},
        "commit": system.commit,
        "steps": system.steps,
        "seconds_training": system.seconds_training,
        "share_waiting": system.share_waiting,
        "rtf": system.rtf,
        "sets": {name: outcome.counts.to_dict() for name, outcome in system.sets.items()},
        "total": system.total.to_dict(),
        "cer_interval": {
            name: bootstrap.error_rate(
                [item.num_errors for item in outcome.utterances],
                [item.num_chars for item in outcome.utterances],
                seed=seed,
            ).to_dict()
            for name, outcome in system.sets.items()
        },
        "expert_load": {
            name: [layer.to_dict() for layer in outcome.routing.layers]
            for name, outcome in system.sets.items()
            if outcome.routing
        },
        "curves": curves(system),
    }


def _finite(value: object) -> float | None:
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def validate_results(results: Mapping[str, Any]) -> None:
    """Check that a dictionary is what `results.json` promises.

    Args:
        results: What was read from, or is to be written to, `results.json`.

    Raises:
        ValueError: A key is missing, a value has the wrong kind or range, sets differ between
            systems, or counts contradict the error rate; the message gives the place.
    """
    systems = _mapping(results, "systems", "")
    if not systems:
        raise ValueError("results: systems is empty")
    sets = list(_mapping(next(iter(systems.values())), "sets", "systems.*"))
    for name, system in systems.items():
        place = f"systems.{name}"
        for key in MODEL_KEYS:
            _number(system, key, place, above=0)
        for key in ("steps", "seconds_training", "rtf"):
            _number(system, key, place)
        if system.get("share_waiting") is not None:
            _number(system, "share_waiting", place)
        if list(_mapping(system, "sets", place)) != sets:
            raise ValueError(f"results: {place}.sets are {list(system['sets'])}, others {sets}")
        for set_name, counts in [*system["sets"].items(), ("total", system.get("total"))]:
            _check_counts(counts, f"{place}.{set_name}")
        _text(system, "commit", place)
        _mapping(system, "curves", place)
        _mapping(system, "expert_load", place)
    changes = _mapping(results, "relative_change", "")
    if changes and list(changes) != sets:
        raise ValueError(f"results: relative_change has {list(changes)}, the systems have {sets}")
    if changes:
        changes = {**changes, "total": _mapping(results, "relative_change_total", "")}
    for set_name, interval in changes.items():
        place = f"relative_change.{set_name}"
        low, _, high = (
            _number(interval, key, place, above=-math.inf) for key in ("low", "mean", "high")
        )
        if low > high:
            raise ValueError(f"results: {place}: low {low} is above high {high}")
    _number(results, "seed", "")
    if results.get("seconds_total", 0) is not None:
        _number(results, "seconds_total", "")
    _mapping(results, "versions", "")
    _text(results, "commit", "")


def _mapping(parent: Mapping[str, Any], key: str, place: str) -> Mapping[str, Any]:
    value = parent.get(key)
    if not isinstance(value, Mapping):
        raise ValueError(f"results: {_join(place, key)} must be an object, got {value!r}")
    return value


def _text(parent: Mapping[str, Any], key: str, place: str) -> None:
    if not isinstance(parent.get(key), str):
        raise ValueError(f"results: {_join(place, key)} must be text, got {parent.get(key)!r}")


def _number(parent: Mapping[str, Any], key: str, place: str, above: float = -1e-9) -> float:
    value = parent.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"results: {_join(place, key)} must be a finite number, got {value!r}")
    if value <= above:
        raise ValueError(f"results: {_join(place, key)} is too small: {value!r}")
    return float(value)


def _check_counts(counts: object, place: str) -> None:
    if not isinstance(counts, Mapping) or set(counts) != set(COUNT_KEYS):
        raise ValueError(f"results: {place} must have the keys {COUNT_KEYS}, got {counts!r}")
    _number(counts, "num_utts", place, above=0)
    num_chars = _number(counts, "num_chars", place, above=0)
    errors = sum(_number(counts, key, place) for key in ("sub", "del", "ins"))
    cer = _number(counts, "cer", place)
    if not math.isclose(cer, 100.0 * errors / num_chars, abs_tol=1e-6):
        raise ValueError(f"results: {place}.cer is {cer}, its counts give {errors / num_chars:%}")


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
