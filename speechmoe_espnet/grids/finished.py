"""Finished runs of a grid, grouped by system and checked to be comparable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from speechmoe_espnet.results.comparison import curves
from speechmoe_espnet.results.trained_system import System, check_comparable


@dataclass(frozen=True)
class FinishedRun:
    """One trained, decoded and scored run.

    Attributes:
        system: Name of the system; runs of one system differ in seed only.
        seed: Seed of the training.
        settings: What the grid set for it, by dotted key of the training configuration.
        outcome: What training, decoding and scoring left behind.
    """

    system: str
    seed: int
    settings: Mapping[str, Any]
    outcome: System

    @property
    def name(self) -> str:
        """Name of the experiment, that of its directory."""
        return self.outcome.directory.name

    @property
    def dev_loss(self) -> float | None:
        """Lowest CTC loss on dev of all epochs; None where it was not recorded."""
        values = self.curve("valid", "loss_ctc").values()
        return min(values, default=None)

    @property
    def train_loss(self) -> float | None:
        """CTC loss on the training set in the last epoch that has one; None without any."""
        values = list(self.curve("train", "loss_ctc").values())
        return values[-1] if values else None

    def curve(self, part: str, quantity: str) -> dict[int, float]:
        """Return what training recorded of a quantity.

        Args:
            part: `train` or `valid`.
            quantity: Its name there.

        Returns:
            Finite values by step, in order; empty where it was not recorded.
        """
        recorded = curves(self.outcome)
        values = recorded[part].get(quantity, [])
        pairs = zip(recorded["steps"], values, strict=bool(values))
        return {step: value for step, value in pairs if value is not None}


def by_system(runs: Sequence[FinishedRun]) -> dict[str, list[FinishedRun]]:
    """Group runs by system, systems in the order of their first run, runs by seed.

    Args:
        runs: Finished runs, at least one.

    Returns:
        The runs of each system.

    Raises:
        ValueError: There are no runs; a system has a seed twice or runs of different settings;
            or runs were scored on different sets, references or metrics. The message names them.
    """
    if not runs:
        raise ValueError("no finished runs to report on; let at least one run of the grid finish")
    groups: dict[str, list[FinishedRun]] = {}
    for run in runs:
        groups.setdefault(run.system, []).append(run)
    for system, group in groups.items():
        group.sort(key=lambda run: run.seed)
        seeds = [run.seed for run in group]
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"system {system}: a seed occurs twice: {seeds}; keep one run of each")
        for run in group[1:]:
            if dict(run.settings) != dict(group[0].settings):
                raise ValueError(
                    f"system {system}: {group[0].name} has the settings "
                    f"{dict(group[0].settings)}, {run.name} {dict(run.settings)}; runs of one "
                    f"system may differ in seed only"
                )
    sets = list(runs[0].outcome.sets)
    for run in runs:
        if list(run.outcome.sets) != sets:
            raise ValueError(
                f"run {runs[0].name} was scored on {sets}, {run.name} on "
                f"{list(run.outcome.sets)}; score both on the same sets"
            )
    check_comparable([replace(run.outcome, name=run.name) for run in runs])
    return groups
