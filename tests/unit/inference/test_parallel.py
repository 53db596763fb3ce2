"""Parallel decoding: order, errors, and processes that end with their parent."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_recognizer import FakeRecognizer

from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.decode.recognized import Recognized
from speechmoe_espnet.decode.routing_summary import RoutingTotals
from speechmoe_espnet.inference.parallel import recognize_batches
from speechmoe_espnet.inference.utterances import Utterance
from speechmoe_espnet.pipeline.dask_workers import DaskWorkers
from speechmoe_espnet.pipeline.pool import ProcessPool
from speechmoe_espnet.pipeline.workers import Job


class Fake:
    """Fake recogniser: the location of an utterance is a waiting time or a kind of failure."""

    def recognize(self, batch: list[Utterance]) -> tuple[list[Recognized], RoutingTotals]:
        for utterance in batch:
            if utterance.location == "bad":
                raise ValueError(f"{utterance.name}: bad")
            if utterance.location == "killed":
                os._exit(9)
            time.sleep(float(utterance.location))
        return [
            Recognized(utt.name, (str(os.getpid()),), ("",), (Hypothesis((), 0.0),))
            for utt in batch
        ], RoutingTotals()


def batches(*locations: str) -> list[list[Utterance]]:
    return [
        [Utterance(str(i), Path("feats.scp"), location, 1.0)]
        for i, location in enumerate(locations)
    ]


@pytest.mark.parametrize("num_processes", [1, 2])
def test_results_come_in_order(num_processes: int) -> None:
    found = list(
        recognize_batches(Fake(), batches("0.1", "0", "0", "0"), ProcessPool(num_processes))
    )  # type: ignore[arg-type]
    assert [results[0].name for results, _ in found] == ["0", "1", "2", "3"]
    assert (found[0][0][0].texts == (str(os.getpid()),)) == (num_processes == 1)


def test_errors_reach_the_caller() -> None:
    with pytest.raises(ValueError, match="1: bad"):
        list(recognize_batches(Fake(), batches("0", "bad", "0"), ProcessPool(2)))  # type: ignore[arg-type]
    with pytest.raises(ChildProcessError, match="one of 2 decoding processes died"):
        list(recognize_batches(Fake(), batches("0", "killed", "0"), ProcessPool(2)))  # type: ignore[arg-type]


def test_workers_of_a_cluster_load_their_own(cluster: DaskWorkers) -> None:
    many = batches("0", "0", "0")
    found = list(recognize_batches(Fake(), many, cluster, load=FakeRecognizer))  # type: ignore[arg-type]
    assert [results[0].name for results, _ in found] == ["0", "1", "2"]
    assert str(os.getpid()) not in {results[0].texts[0] for results, _ in found}


def test_an_utterance_that_kills_has_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    class Cluster:
        """Workers that `1` kills."""

        count = 1

        def map(self, job: Job[Any, Any], tasks: Sequence[Any]) -> Iterator[Any]:
            assert job.split is not None
            assert list(job.split(tasks[0])) == ["0", "1"]
            if job.without is None:
                raise ChildProcessError("1: kills")
            yield job.function(job.without(tasks[0], {"1": "kills"}))

    both = [[batch[0] for batch in batches("0", "killed")]]
    ((results, _),) = recognize_batches(Fake(), both, Cluster(), skip_bad=True)  # type: ignore[arg-type]
    assert [(result.name, bool(result.texts[0])) for result in results] == [
        ("0", True),
        ("1", False),
    ]
    assert capsys.readouterr().err == "decode: warning: 1: kills; its hypothesis is empty\n"
    with pytest.raises(ChildProcessError, match="1: kills"):
        list(recognize_batches(Fake(), both, Cluster()))  # type: ignore[arg-type]


def test_processes_have_the_threads_that_were_asked_for() -> None:
    code = (
        "import torch; torch.set_num_threads(1)\n"
        "from speechmoe_espnet.inference.parallel import recognize_batches\n"
        "from speechmoe_espnet.pipeline.pool import ProcessPool\n"
        "class Asked:\n"
        "    def recognize(self, batch):\n"
        "        product = torch.ones(400, 400) @ torch.ones(400, 400)\n"
        "        return torch.get_num_threads(), bool((product == 400).all())\n"
        "found = list(recognize_batches(Asked(), [[1], [2], [3]], ProcessPool(2), 2))\n"
        "print(found, torch.get_num_threads())\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == f"{[(2, True)] * 3} 1\n"


def test_processes_end_with_their_parent() -> None:
    code = (
        "import os, sys; sys.path[:0] = sys.argv[1:]; import test_parallel as t\n"
        "jobs = t.recognize_batches(t.Fake(), t.batches('0', '0', '60', '60'), t.ProcessPool(2))\n"
        "pids = {next(jobs)[0][0].texts[0] for _ in range(2)}; print(*pids, flush=True)\n"
        "list(jobs)\n"
    )
    command = [sys.executable, "-c", code, *map(str, Path(__file__).parents[:2])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = parent.stdout.readline().split()
        assert pids
        parent.kill()
    deadline = time.monotonic() + 10
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < deadline, "a decoding process outlived its parent"
        time.sleep(0.05)


def _runs(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
