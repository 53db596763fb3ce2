"""Configuration of a cluster: ESPnet3's `parallel:` block, with the meaning that it has there.

Its table of environments is that of `espnet3.parallel.parallel`, which is not imported: it takes
seconds and torch, and passes lists on as objects that dask-jobqueue does not take.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

LOCAL, SSH, KUBE = "local", "ssh", "kube"
SCHEDULERS = {
    "htcondor": "HTCondorCluster",
    "lsf": "LSFCluster",
    "moab": "MoabCluster",
    "oar": "OARCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "slurm": "SLURMCluster",
}
"""Classes of dask_jobqueue, by the names of ESPnet3."""
ENVIRONMENTS = (LOCAL, *SCHEDULERS, SSH, KUBE)
BLOCK = "parallel"
MOST_WORKERS = 100_000
_KEYS = ("env", "n_workers", "options", "allow_overwrite_lock")
_HINT = "ESPnet3's `parallel:` block has env, n_workers and options"


@dataclass(frozen=True)
class ClusterConfig:
    """Where workers run.

    Attributes:
        env: One of ENVIRONMENTS.
        n_workers: Number of workers.
        options: Arguments of the class of Dask that makes the cluster.

    Raises:
        ValueError: The environment is unknown, or there is no worker.
    """

    env: str = LOCAL
    n_workers: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.env not in ENVIRONMENTS:
            raise ValueError(f"env: one of {', '.join(ENVIRONMENTS)}, got {self.env!r}")
        if isinstance(self.n_workers, bool) or not isinstance(self.n_workers, int):
            raise ValueError(f"n_workers: expected a whole number, got {self.n_workers!r}")
        if self.n_workers < 1:
            raise ValueError(f"n_workers: at least 1, got {self.n_workers}")
        if not isinstance(self.options, Mapping):
            raise ValueError(f"options: expected `key: value` lines, got {self.options!r}")
        if self.n_workers > MOST_WORKERS:
            raise ValueError(f"n_workers: at most {MOST_WORKERS}, got {self.n_workers}")
        if unnamed := [key for key in self.options if not isinstance(key, str)]:
            raise ValueError(f"options: names are text, got {unnamed[0]!r}")
        hosts = self.options.get("hosts", ())
        if self.env == SSH and not isinstance(hosts, list | tuple):
            raise ValueError(f"options: hosts: expected a list of names, got {hosts!r}")
        if self.env == SSH and self.n_workers > len(hosts) - 1:
            raise ValueError(
                f"n_workers: {self.n_workers}, but options have {len(hosts)} hosts, the first of "
                f"which is the scheduler; name one more host than there are workers"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Read the block `parallel` of a configuration; other blocks of it are ESPnet3's.

        What the block leaves out is that of ESPnet3's defaults: one local worker.

        Raises:
            ValueError: There is no such block, or it is not valid.
        """
        block = values.get(BLOCK)
        if not isinstance(block, Mapping):
            raise ValueError(f"no block `{BLOCK}:`; {_HINT}")
        if unknown := [str(key) for key in block if key not in _KEYS]:
            raise ValueError(f"{BLOCK}: unknown {', '.join(unknown)}; {_HINT}")
        if "${" in str(block):
            raise ValueError(f"{BLOCK}: ${{...}} is resolved by ESPnet3 alone; write the value")
        named = {key: block[key] for key in ("env", "n_workers") if key in block}
        try:
            return cls(**named, options=block.get("options") or {})
        except ValueError as error:
            raise ValueError(f"{BLOCK}: {error}") from None
