"""Contents of `results.json`, and their construction from systems.

The keys are an interface: scripts compare runs by them. The writer therefore checks its own output
with `validate_results`, the function that tests and readers use as well.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from speechmoe_espnet.results.trained_system import MODEL_KEYS, System, check_comparable
from speechmoe_espnet.results.validation import validate_results
from speechmoe_espnet.scoring import bootstrap
from speechmoe_espnet.scoring.bootstrap import Interval
from speechmoe_espnet.scoring.mixed import mixed_to_dict
from speechmoe_espnet.system.provenance import UNKNOWN, commit, machine, versions

_TRIAL = "tiny"
TRIAL_NOTE = (
    "The preset tiny only shows that all works. Its systems have hardly been trained, so that "
    "their figures say nothing about them, and they are not compared."
)


@dataclass(frozen=True)
class Comparison:
    """Comparison of two systems.

    Attributes:
        control: Name of the control.
        candidate: Name of the system compared with the control.
        by_set: Relative change by set, positive if the candidate is better.
        total: Relative change over all sets together.
    """

    control: str
    candidate: str
    by_set: dict[str, Interval]
    total: Interval


@dataclass(frozen=True)
class Provenance:
    """Origin of a report.

    Attributes:
        seed: Seed of the run, also of the bootstrap.
        seconds_total: Duration of the whole run in seconds, None if not measured.
        meta: Further facts, such as the command and the preset.
        versions: Version by package.
        commit: Commit of the checkout that wrote the report.
        machine: Machine on which the times were measured.
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
        control: The reference system.
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
    """Collect the contents of `results.json`.

    Args:
        systems: The systems, in the order of the tables.
        comparison: The comparison of two of them, or None for a single system.
        provenance: Origin of the report.

    Returns:
        A checked dictionary of JSON values.

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


def is_trial(options: Mapping[str, Any]) -> bool:
    """Return whether trainings were so short that differences are noise.

    Args:
        options: `preset` of the recipe among others: `meta` of a report, or options of a grid.
    """
    return bool(options.get("preset") == _TRIAL)


def curves(system: System) -> dict[str, Any]:
    """Convert the training records into one list per quantity.

    Returns:
        `steps` (number by epoch) and, under `train` and `valid`, each recorded quantity as a
        list of numbers as long as `steps`, None if an epoch lacks it or it is not finite.
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
    """Return a note on commits, if systems and report come from different ones.

    Args:
        results: Dictionary from `build_results`.

    Returns:
        A sentence, or an empty string if all come from one commit. Unknown commits are ignored.
    """
    commits = {name: system["commit"] for name, system in results["systems"].items()}
    commits["this report"] = results["commit"]
    if len(set(commits.values()) - {UNKNOWN}) <= 1:
        return ""
    names: dict[str, list[str]] = {}
    for name, value in commits.items():
        names.setdefault(short_commit(value), []).append(name)
    parts = [f"{', '.join(group)} by {value}" for value, group in names.items()]
    return f"made by different commits: {'; '.join(parts)}"


def short_commit(value: str) -> str:
    """Shorten a commit id to twelve digits; `-dirty` is kept."""
    head, dash, dirty = value.partition("-")
    return head[:12] + dash + dirty


def percent_waiting(share: float | None) -> str:
    """Format the share of a training that waited for data, `-` if not recorded."""
    return "-" if share is None else f"{100 * share:.1f} %"


def _system_results(system: System, seed: int) -> dict[str, Any]:
    return {
        **{key: system.model[key] for key in MODEL_KEYS},
        "commit": system.commit,
        "steps": system.steps,
        "seconds_training": system.seconds_training,
        "share_waiting": system.share_waiting,
        "rtf": system.rtf,
        "rtf_measured_with": system.rtf_measured_with,
        "sets": {name: outcome.counts.to_dict() for name, outcome in system.sets.items()},
        "total": system.total.to_dict(),
        "ser": {name: counts.to_dict() for name, counts in system.syllable_counts.items()} or None,
        "mer": {name: mixed_to_dict(counts) for name, counts in system.mixed_counts.items()}
        or None,
        "decoding": system.decoding.to_dict() if system.decoding else None,
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
