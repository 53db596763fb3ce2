"""Commands on workers of a cluster: a command whose worker is killed starts again, once."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechmoe_espnet.pipeline.dask_map import outcome_of
from speechmoe_espnet.pipeline.dask_task import Call, do_task
from speechmoe_espnet.pipeline.dask_workers import DaskWorkers
from speechmoe_espnet.pipeline.launch import launch_here

DEATHS = 2
_SECONDS_BETWEEN_LOOKS = 0.2

type _Task = tuple[list[str], str, dict[str, str]]


class DaskCommand:
    """A command that a worker runs; it ends with the worker.

    Args:
        workers: The cluster.
        command: Program and arguments.
        log: File, on a file system of all machines, that its output is added to.
        env: Variables that its environment has beside those of the worker.
    """

    def __init__(
        self, workers: DaskWorkers, command: Sequence[str], log: Path, env: Mapping[str, str]
    ) -> None:
        self._workers, self._client = workers, workers.client
        self._task: _Task = (list(command), os.path.abspath(log), dict(env))
        self._deaths = 0
        self._future = self._submit()

    def _submit(self) -> Any:
        return self._client.submit(do_task, os.getcwd(), Call(run_to_end, self._task), pure=False)

    def poll(self) -> int | None:
        """Return the exit status, that of SIGKILL where workers were killed; None while it runs."""
        if not self._future.done():
            self._workers.look_after()
            return None
        outcome = outcome_of(self._future)
        if outcome is not None:
            return int(outcome())
        self._deaths += 1
        if self._deaths < DEATHS:
            self._future = self._submit()
            return None
        return 128 + signal.SIGKILL

    def stop(self) -> None:
        """Forget the command; it ends with its worker when the cluster is closed."""
        self._future.cancel()


def run_to_end(task: _Task) -> int:
    """Run a command on this worker and return its exit status."""
    command, log, env = task
    launched = launch_here(command, Path(log), env)
    while (status := launched.poll()) is None:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return status
