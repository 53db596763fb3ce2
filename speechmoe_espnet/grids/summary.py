"""One summary a system over its seeds: error rates, cost, losses and the change from a control."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from operator import add
from typing import Any

from speechmoe_espnet.grids.finished import FinishedRun, by_system
from speechmoe_espnet.scoring.bootstrap import NUM_RESAMPLES
from speechmoe_espnet.scoring.cer import UtteranceScore
from speechmoe_espnet.scoring.seeds import (
    SeedInterval,
    Sums,
    error_rate,
    relative_change,
    seed_deviation,
)

TOTAL = "total"


@dataclass(frozen=True)
class Rate:
    """Error rate of a system on a set, or on all sets together.

    Attributes:
        by_seed: Error rate in percent by seed of the training.
        deviation: Sample standard deviation over seeds, in percent; None for one seed.
        estimate: Mean over seeds with its 95 % interval, in percent.
        num_utts: Utterances.
        num_chars: Characters, or units, of the references.
    """

    by_seed: dict[int, float]
    deviation: float | None
    estimate: SeedInterval
    num_utts: int
    num_chars: int

    @property
    def mean(self) -> float:
        """Mean over seeds, in percent."""
        return self.estimate.interval.mean

    def to_dict(self) -> dict[str, Any]:
        """Return this as JSON holds it."""
        return {
            "by_seed": {str(seed): rate for seed, rate in self.by_seed.items()},
            "sd": self.deviation,
            **self.estimate.to_dict(),
            "num_utts": self.num_utts,
            "num_chars": self.num_chars,
        }


@dataclass(frozen=True)
class SystemSummary:
    """What the runs of one system did.

    Attributes:
        name: Name of the system.
        runs: Its runs, by seed.
        rates: Error rate by set, and of all sets as `total` where there are several.
        unit_rates: The same in units (syllables and phones); empty where a run lacks them.
        changes: Relative change from the control, as `rates`; empty for it and without one.
    """

    name: str
    runs: tuple[FinishedRun, ...]
    rates: dict[str, Rate]
    unit_rates: dict[str, Rate]
    changes: dict[str, SeedInterval]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds, ascending."""
        return tuple(run.seed for run in self.runs)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the grid set, by dotted key."""
        return self.runs[0].settings

    @property
    def params_total(self) -> int:
        """All parameters."""
        return self.runs[0].outcome.model["params_total"]

    @property
    def params_active(self) -> int:
        """Parameters that a frame passes."""
        return self.runs[0].outcome.model["params_active"]

    @property
    def flops(self) -> int:
        """FLOPs a second of audio."""
        return self.runs[0].outcome.model["flops_per_second_of_audio"]

    @property
    def steps(self) -> int:
        """Optimiser steps, mean over runs."""
        return round(_mean([run.outcome.steps for run in self.runs]))

    @property
    def seconds_training(self) -> float:
        """Time of training in seconds, mean over runs."""
        return _mean([run.outcome.seconds_training for run in self.runs])

    @property
    def rtf(self) -> float:
        """Real-time factor, mean over runs."""
        return _mean([run.outcome.rtf for run in self.runs])

    @property
    def rtf_measured_with(self) -> str:
        """Processes and threads that decoded; "" where no run tells."""
        return " or ".join(sorted({run.outcome.rtf_measured_with for run in self.runs} - {"-"}))

    @property
    def dev_loss(self) -> float | None:
        """Lowest CTC loss on dev, mean over runs; None where a run has none."""
        return _mean_or_none([run.dev_loss for run in self.runs])

    @property
    def train_loss(self) -> float | None:
        """CTC loss on the training set at the end, mean over runs; None where a run has none."""
        return _mean_or_none([run.train_loss for run in self.runs])

    @property
    def commits(self) -> tuple[str, ...]:
        """Commits that trained the runs, each once."""
        return tuple(dict.fromkeys(run.outcome.commit for run in self.runs))

    def to_dict(self) -> dict[str, Any]:
        """Return this as JSON holds it."""
        return {
            "runs": [run.name for run in self.runs],
            "seeds": list(self.seeds),
            "settings": dict(self.settings),
            "steps": self.steps,
            "params_total": self.params_total,
            "params_active": self.params_active,
            "flops_per_second_of_audio": self.flops,
            "train_loss": self.train_loss,
            "dev_loss": self.dev_loss,
            "seconds_training": self.seconds_training,
            "rtf": self.rtf,
            "rtf_measured_with": self.rtf_measured_with,
            "rates": {place: rate.to_dict() for place, rate in self.rates.items()},
            "unit_rates": {place: rate.to_dict() for place, rate in self.unit_rates.items()},
            "relative_change": {place: item.to_dict() for place, item in self.changes.items()},
            "commits": list(self.commits),
        }


@dataclass(frozen=True)
class Summary:
    """All systems of a grid.

    Attributes:
        metric: `cer` or `ser`.
        control: Name of the system that the others are held against; None: none is.
        systems: Summary by system, in the order of the grid.
    """

    metric: str
    control: str | None
    systems: dict[str, SystemSummary]

    @property
    def places(self) -> list[str]:
        """The sets and, where there are several, `total`."""
        return list(next(iter(self.systems.values())).rates)

    @property
    def headline(self) -> str:
        """Where systems are compared first: `total`, or the only set."""
        return self.places[-1]

    @property
    def compared(self) -> list[SystemSummary]:
        """The systems that are held against the control."""
        return [system for system in self.systems.values() if system.changes]

    def to_dict(self) -> dict[str, Any]:
        """Return this as JSON holds it."""
        return {
            "metric": self.metric,
            "control": self.control,
            "systems": {name: system.to_dict() for name, system in self.systems.items()},
        }


def summarize(
    runs: Sequence[FinishedRun],
    control: str | None = None,
    *,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
) -> Summary:
    """Summarise finished runs.

    Args:
        runs: Finished runs, at least one.
        control: System that the others are held against; None: no comparison.
        seed: Seed of the bootstrap.
        num_resamples: Resamples of the bootstrap.

    Raises:
        ValueError: The control has no finished run, or `by_system` refuses the runs.
    """
    groups = by_system(runs)
    if control is not None and control not in groups:
        raise ValueError(
            f"control must be a system with finished runs, got {control!r}; those are "
            f"{', '.join(groups)}"
        )
    options = {"seed": seed, "num_resamples": num_resamples}
    rates, changes = _rates(groups, control, lambda run: _scores(run, "utterances"), **options)
    in_units = {
        name: group
        for name, group in groups.items()
        if all(run.outcome.syllable_counts for run in group)
    }
    unit_rates: dict[str, dict[str, Rate]] = {}
    if in_units:
        unit_rates, _ = _rates(in_units, None, lambda run: _scores(run, "syllables"), **options)
    return Summary(
        metric=runs[0].outcome.metric,
        control=control,
        systems={
            name: SystemSummary(
                name, tuple(group), rates[name], unit_rates.get(name, {}), changes.get(name, {})
            )
            for name, group in groups.items()
        },
    )


type _Scores = dict[str, tuple[UtteranceScore, ...]]


def _scores(run: FinishedRun, kind: str) -> _Scores:
    return {name: getattr(outcome, kind) for name, outcome in run.outcome.sets.items()}


def _rates(
    groups: Mapping[str, Sequence[FinishedRun]],
    control: str | None,
    scores_of: Callable[[FinishedRun], _Scores],
    *,
    seed: int,
    num_resamples: int,
) -> tuple[dict[str, dict[str, Rate]], dict[str, dict[str, SeedInterval]]]:
    runs = [run for group in groups.values() for run in group]
    scores = [scores_of(run) for run in runs]
    num_utts = {name: len(utterances) for name, utterances in scores[0].items()}
    sums: dict[str, Sums] = {}
    for index, name in enumerate(num_utts):
        columns = [[item.num_errors for item in run[name]] for run in scores]
        columns.append([item.num_chars for item in scores[0][name]])
        rows = list(zip(*columns, strict=True))
        sums[name] = Sums.of(rows, seed=[seed, index], num_resamples=num_resamples)
    if len(sums) > 1:
        sums[TOTAL] = reduce(add, sums.values())
        num_utts[TOTAL] = sum(num_utts.values())
    rates: dict[str, dict[str, Rate]] = {name: {} for name in groups}
    changes: dict[str, dict[str, SeedInterval]] = {name: {} for name in groups}
    ends = list(accumulate(len(group) for group in groups.values()))
    columns_of = {
        name: range(end - len(group), end)
        for (name, group), end in zip(groups.items(), ends, strict=True)
    }
    for place, total in sums.items():
        characters = total.pick([len(runs)])
        for name, group in groups.items():
            errors = total.pick(columns_of[name])
            by_seed = (100.0 * errors.observed / characters.observed).tolist()
            rates[name][place] = Rate(
                by_seed={run.seed: rate for run, rate in zip(group, by_seed, strict=True)},
                deviation=seed_deviation(by_seed),
                estimate=error_rate(errors, characters, seed=seed),
                num_utts=num_utts[place],
                num_chars=int(characters.observed[0]),
            )
            if control not in (None, name):
                against = total.pick(columns_of[control])
                changes[name][place] = relative_change(against, errors, seed=seed)
    return rates, changes


def _mean(values: Sequence[float]) -> float:
    return float(sum(values) / len(values))


def _mean_or_none(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _mean(known) if len(known) == len(values) else None
