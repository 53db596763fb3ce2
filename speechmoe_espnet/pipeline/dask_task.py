"""What a worker of a cluster does: one task at a time, in the folder of the command."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from speechmoe_espnet.pipeline.process_identity import here
from speechmoe_espnet.system.allocator import keep_freed_memory

_TRIM, _TRIM_OF_DASK = "MALLOC_TRIM_THRESHOLD_", "65536"
_one = threading.Lock()
"""Threads of a worker take turns: libraries in use keep state of the whole process."""


@dataclass(frozen=True)
class Call[Task, Result]:
    """A task with what is done to it, closed: Dask would look for work of its own in lists.

    Attributes:
        function: What is done.
        task: Its argument.
    """

    function: Callable[[Task], Result]
    task: Task


def do_task[Task, Result](folder: str, call: Call[Task, Result]) -> Result:
    """Do a task.

    Args:
        folder: Working folder of the command, which paths are relative to.
        call: The task.

    Raises:
        FileNotFoundError: The machine has no such folder.
    """
    with _one:
        _keep_memory()
        if os.getcwd() != folder:
            try:
                os.chdir(folder)
            except OSError:
                raise FileNotFoundError(
                    f"{here().host}, a machine of the cluster, has no folder {folder}; all "
                    f"machines need the same file system"
                ) from None
        return call.function(call.task)


@cache
def _keep_memory() -> None:
    """Undo Dask's setting by which glibc returns memory at once, a third of features' time."""
    if os.environ.get(_TRIM) == _TRIM_OF_DASK:
        del os.environ[_TRIM]
        keep_freed_memory()
