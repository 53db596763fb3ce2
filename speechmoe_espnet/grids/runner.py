"""Runner of a grid: several trainings in parallel through the recipe, each only once.

A run is two calls of the recipe, training and then decoding with scoring, whose stages resume
by themselves; the first is left out where another grid has trained alike. When both have
succeeded, a mark with the digest of everything that the run was asked for is written beside the
grid's results; a run whose mark fits is finished.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speechmoe_espnet.grids.grid import Grid, Run
from speechmoe_espnet.grids.workplace import Workplace
from speechmoe_espnet.pipeline.launch import Launch, Launched, launch_here
from speechmoe_espnet.pipeline.process import start, stop

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_SIGNS_OF_LIFE = 60.0


@dataclass
class Running:
    """A run under way.

    Attributes:
        run: The run.
        commands: What is left to start, in order.
        child: The command that runs now.
        log: Where its output goes.
        started: When the first command started, in seconds of the monotonic clock.
        trains: Whether training is among the commands.
    """

    run: Run
    commands: list[list[str]]
    child: Launched
    log: Path
    started: float
    trains: bool


@dataclass
class Outcome:
    """What became of the runs of a grid.

    Attributes:
        finished: Experiments with their mark, those of earlier calls included.
        failed: Why, by experiment.
    """

    finished: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


class Runner:
    """Runs a grid.

    Args:
        grid: The grid.
        workplace: Where its files go and how the recipe is called.
        jobs: Runs side by side.
        ngpu: GPUs of each run, 0 or 1.
        say: Called with each line of progress.
        after_each: Called whenever a run has finished.
        launch: Starts the commands of runs.
    """

    def __init__(
        self,
        grid: Grid,
        workplace: Workplace,
        *,
        jobs: int,
        ngpu: int = 0,
        say: Callable[[str], None] = print,
        after_each: Callable[[], None] = lambda: None,
        launch: Launch = launch_here,
    ) -> None:
        if jobs < 1:
            raise ValueError(f"jobs: {jobs} is less than 1")
        self.grid, self.workplace = grid, workplace
        self.jobs, self.ngpu = jobs, ngpu
        self.say, self.after_each, self.launch = say, after_each, launch
        self.seconds: list[float] = []

    def run(self) -> Outcome:
        """Prepare what all runs share, then do all that are not finished.

        A run that fails does not stop the others; one that was to start from it fails with it.
        Whatever is running is stopped when this is interrupted.
        """
        outcome = Outcome()
        waiting = []
        for run in self.grid.runs():
            if self.workplace.is_finished(run):
                outcome.finished.append(run.experiment)
            else:
                waiting.append(run)
        if outcome.finished:
            self.say(
                f"{len(outcome.finished)} of {len(self.grid.runs())} runs were finished already, "
                f"here or in another grid (--list)"
            )
        if not waiting:
            return outcome
        self._prepare()
        running: list[Running] = []
        shown = time.monotonic()
        try:
            while waiting or running:
                self._start_what_can(waiting, running, outcome)
                time.sleep(SECONDS_BETWEEN_LOOKS)
                for item in list(running):
                    status = item.child.poll()
                    if status is not None and not self._go_on(item, status, outcome):
                        running.remove(item)
                        shown = time.monotonic()
                        self._say_what_is_left(waiting, running, outcome)
                if time.monotonic() - shown > SECONDS_BETWEEN_SIGNS_OF_LIFE:
                    shown = time.monotonic()
                    for item in running:
                        self.say(f"  {item.run.experiment}: {_last_line(item.log)}")
        finally:
            for item in running:
                item.child.stop()
        return outcome

    def _prepare(self) -> None:
        for command in self.workplace.preparation(self.jobs, self.ngpu):
            self.say(f"what all runs share: {' '.join(command[1:])}")
            child = start(command)
            try:
                status = child.wait()
            finally:
                stop(child)
            if status:
                raise ValueError(f"{' '.join(command)} failed with status {status}, see above")

    def _start_what_can(self, waiting: list[Run], running: list[Running], outcome: Outcome) -> None:
        for run in list(waiting):
            if run.init in outcome.failed:
                outcome.failed[run.experiment] = f"{run.init}, from which it starts, failed"
                waiting.remove(run)
            elif len(running) < self.jobs and run.init in (None, *outcome.finished):
                waiting.remove(run)
                running.append(self._begin(run))

    def _begin(self, run: Run) -> Running:
        commands = self.workplace.commands(run, self.ngpu)
        log = self.workplace.log(run)
        self.workplace.forget(run)
        trained = self.workplace.take_training(run)
        if trained is None:
            self.say(f"{run.experiment}: begins (log: {log})")
        else:
            self.say(f"{run.experiment}: trained as {trained}, is decoded (log: {log})")
            commands = commands[1:]
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        child = self._start(commands[0], log)
        return Running(run, commands[1:], child, log, time.monotonic(), trained is None)

    def _start(self, command: Sequence[str], log: Path) -> Launched:
        return self.launch(command, log, _one_thread())

    def _go_on(self, item: Running, status: int, outcome: Outcome) -> bool:
        """Start the next command of a run whose last one ended, if there is one to start."""
        experiment = item.run.experiment
        if status:
            outcome.failed[experiment] = f"status {status}: {_last_line(item.log)} ({item.log})"
            self.say(f"{experiment}: FAILED, {outcome.failed[experiment]}")
            return False
        if item.commands:
            item.child = self._start(item.commands.pop(0), item.log)
            return True
        seconds = time.monotonic() - item.started
        if item.trains:
            self.seconds.append(seconds)
        self.workplace.mark_finished(item.run)
        outcome.finished.append(experiment)
        self.say(f"{experiment}: finished in {seconds / 60:.1f} min")
        self.after_each()
        return False

    def _say_what_is_left(
        self, waiting: Sequence[Run], running: Sequence[Running], outcome: Outcome
    ) -> None:
        done = len(outcome.finished) + len(outcome.failed)
        text = f"{done} of {len(self.grid.runs())} runs done"
        if self.seconds and (waiting or running):
            each = sum(self.seconds) / len(self.seconds)
            now = time.monotonic()
            left = each * len(waiting) + sum(max(each - now + it.started, 0.0) for it in running)
            text += f", about {left / self.jobs / 60:.0f} min left"
        self.say(text)


def _one_thread() -> dict[str, str]:
    venv = {name: os.environ[name] for name in ("SPEECHMOE_VENV",) if name in os.environ}
    return {**venv, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "no output yet")[-160:]
