"""Workers of a cluster, by Dask, which is imported when the first job begins."""

import asyncio
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from speechmoe_espnet.pipeline.cluster_config import (
    KUBE,
    LOCAL,
    SCHEDULERS,
    SSH,
    ClusterConfig,
)
from speechmoe_espnet.pipeline.dask_map import SECONDS_BETWEEN_LOOKS, DaskMap
from speechmoe_espnet.pipeline.workers import Job

SECONDS_BETWEEN_WORDS = 60.0
_SECONDS_TO_RESTART = 120.0
_SECONDS_TO_LOG = 0.1
_EXTRA = "pip install 'speechmoe_espnet[cluster]'"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class DaskWorkers:
    """Workers of a cluster; they start with the first job and end with the block.

    Args:
        config: Where they run.
        say: Called with lines for the user.
    """

    def __init__(self, config: ClusterConfig, say: Callable[[str], None] = _say) -> None:
        self.config = config
        self.say = say
        self._cluster: Any = None
        self._client: Any = None
        self._said = self._looked = 0.0

    @property
    def count(self) -> int:
        """Number of workers."""
        return self.config.n_workers

    def __enter__(self) -> "DaskWorkers":
        return self

    def __exit__(self, *_: object) -> None:
        for opened in (self._client, self._cluster):
            if opened is not None:
                opened.close()
        self._client = self._cluster = None

    @property
    def client(self) -> Any:
        """The `distributed.Client`.

        Raises:
            ValueError: Dask or the scheduler is not installed, or refuses the options.
        """
        if self._client is None:
            self._start()
        return self._client

    def map[Task, Result](self, job: Job[Task, Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Do a job; see `Workers.map`.

        Raises:
            ValueError: The cluster cannot be started.
            ChildProcessError: A task kills workers, or an utterance that the job needs.
        """
        if tasks:
            count = self.config.n_workers
            yield from DaskMap(self.client, count, os.getcwd(), job, tasks, self.look_after)

    def _start(self) -> None:
        try:
            import dask
            from distributed import Client
        except ImportError:
            raise ValueError(f"a cluster needs Dask: {_EXTRA}") from None
        env, count = self.config.env, self.config.n_workers
        # ESPnet gives the root logger a handler, which would show each step of the start.
        log = logging.getLogger("distributed")
        log.setLevel(max(log.level, logging.WARNING))
        # Dask ends what restarts a killed worker if that takes longer.
        dask.config.set({"distributed.deploy.lost-worker-timeout": _SECONDS_TO_RESTART})
        try:
            self._cluster = make_cluster(self.config)
            self._client = _untyped(Client)(self._cluster, set_as_default=False)
            if env == KUBE:
                self._cluster.scale(count)
            elif env != LOCAL:
                self._cluster.sync(_submit, self._cluster, count)
        except (RuntimeError, TypeError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"cluster {env}: {type(error).__name__}: {reason}") from error
        self._client.run_on_scheduler(_give_up_at_once)
        self._said = time.monotonic()
        self.say(f"cluster {env}: {count} workers, dashboard {self._cluster.dashboard_link}")

    def look_after(self) -> None:
        """Replace jobs that ended; say so while there are no workers. Call it now and then."""
        now = time.monotonic()
        if now - self._looked < SECONDS_BETWEEN_LOOKS:
            return
        self._looked = now
        if self._client.status not in ("running", "connecting"):
            raise ChildProcessError(f"cluster {self.config.env}: its scheduler ended")
        there = len(self._client.scheduler_info(n_workers=-1)["workers"])
        count = self.config.n_workers
        if there < count:
            self._cluster.scale(count)
        if not there and now - self._said > SECONDS_BETWEEN_WORDS:
            self._said = now
            self.say(
                f"cluster {self.config.env}: none of {count} workers is there yet: their jobs are "
                f"queued, or ended at once; see the queue and, with `log_directory` among the "
                f"options, what they wrote"
            )


def make_cluster(config: ClusterConfig) -> Any:
    """Make the cluster of a configuration, as ESPnet3 does.

    A local worker has one thread where options do not say otherwise: it does one task at a time.

    Raises:
        ValueError: A package or a program of the scheduler is not installed.
    """
    options = dict(config.options)
    if config.env == LOCAL:
        from distributed import LocalCluster

        return _untyped(LocalCluster)(
            n_workers=config.n_workers, **{"threads_per_worker": 1, **options}
        )
    if config.env == SSH:
        _need("asyncssh", "asyncssh")
        from distributed import SSHCluster

        return SSHCluster(**options)
    if config.env == KUBE:
        _need("dask_kubernetes", "dask-kubernetes")
        from dask_kubernetes import KubeCluster

        return KubeCluster(**options)
    _need("dask_jobqueue", "speechmoe_espnet[cluster]")
    import dask_jobqueue

    kind = getattr(dask_jobqueue, SCHEDULERS[config.env])
    program = kind.job_cls.submit_command.split()[0]
    if shutil.which(program) is None:
        raise ValueError(f"there is no program {program} here; start this where jobs are submitted")
    return kind(**options)


def _need(module: str, package: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise ValueError(f"it needs {module}: pip install '{package}'")


def _untyped(made: Any) -> Any:
    return made


async def _submit(cluster: Any, count: int) -> None:
    """Submit the jobs of workers; `scale` alone logs what refuses them, and waits for ever."""
    log = logging.getLogger("tornado.application")
    log.disabled = True
    try:
        cluster.scale(count)
        await cluster._correct_state()
    except Exception:
        for job in list(cluster.workers.values()):
            await job.close()
            job.status = type(job.status).closed
        await asyncio.sleep(_SECONDS_TO_LOG)
        raise
    finally:
        log.disabled = False


def _give_up_at_once(dask_scheduler: Any) -> None:
    dask_scheduler.allowed_failures = 0
