"""What a worker of a cluster does: one task at a time, in the folder of the command."""

import os
import threading
from collections.abc import Callable

from speechmoe_espnet.pipeline.process_identity import here

_one = threading.Lock()
"""Threads of a worker take turns: libraries in use keep state of the whole process."""


def do_task[Task, Result](folder: str, function: Callable[[Task], Result], task: Task) -> Result:
    """Do a task.

    Args:
        folder: Working folder of the command, which paths are relative to.
        function: What is done.
        task: Its argument.

    Raises:
        FileNotFoundError: The machine has no such folder.
    """
    with _one:
        if os.getcwd() != folder:
            try:
                os.chdir(folder)
            except OSError:
                raise FileNotFoundError(
                    f"{here().host}, a machine of the cluster, has no folder {folder}; all "
                    f"machines need the same file system"
                ) from None
        return function(task)
