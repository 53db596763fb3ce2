"""Processes that stand for the ranks of a training: started once, used by many tests."""

import faulthandler
import multiprocessing as mp
import os
import pickle
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

MOST = 4
_SECONDS = 60


class RankProcesses:
    """Up to MOST processes, which run functions as the ranks of a gloo group."""

    def __init__(self) -> None:
        context = mp.get_context("forkserver")
        context.set_forkserver_preload(["torch", "speechmoe_espnet.espnet.task"])
        self._ends, self._workers = [], []
        for _ in range(MOST):
            mine, theirs = context.Pipe()
            worker = context.Process(target=_work, args=(theirs,), daemon=True)
            worker.start()
            self._ends.append(mine)
            self._workers.append(worker)

    def run(self, size: int, function: Callable[..., Any], *args: Any) -> list[Any]:
        """Call a function of a test module in every rank, and return what each returns."""
        with tempfile.TemporaryDirectory() as folder:
            rendezvous = Path(folder) / "rendezvous"
            # What cannot be sent shall not wait in some of the processes.
            call = pickle.dumps((function, args))
            for rank, end in enumerate(self._ends[:size]):
                end.send((rank, size, rendezvous, call))
            found = []
            for rank, end in enumerate(self._ends[:size]):
                if not end.poll(_SECONDS):
                    self.close()
                    raise RankError(f"rank {rank} of {size} does not answer")
                found.append(pickle.loads(end.recv()))
        wrong = [answer for answer in found if isinstance(answer, _Raised)]
        if wrong:
            raise RankError("\n".join(answer.text for answer in wrong))
        return found

    def close(self) -> None:
        for end in self._ends:
            end.close()
        for worker in self._workers:
            worker.join(timeout=10)
            worker.kill()


class RankError(Exception):
    """A rank raised an exception; the text has all tracebacks."""


class _Raised:
    def __init__(self, text: str) -> None:
        self.text = text


def _work(end: Any) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    while True:
        try:
            rank, size, rendezvous, call = end.recv()
        except EOFError:
            return
        # A rank that waits for ever says where.
        faulthandler.dump_traceback_later(_SECONDS - 10)
        try:
            if size > 1:
                dist.init_process_group(
                    "gloo",
                    init_method=f"file://{rendezvous}",
                    rank=rank,
                    world_size=size,
                    timeout=timedelta(seconds=_SECONDS // 2),
                )
            function, args = pickle.loads(call)
            answer = function(*args)
        except BaseException:
            answer = _Raised(f"rank {rank}: {traceback.format_exc()}")
        finally:
            if dist.is_initialized():
                dist.destroy_process_group()
        faulthandler.cancel_dump_traceback_later()
        end.send(pickle.dumps(answer))
