"""Parallel decoding: order, errors, and processes that end with their parent."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.decode.recognized import Recognized
from speechmoe_espnet.decode.routing_summary import RoutingTotals
from speechmoe_espnet.inference.parallel import recognize_batches
from speechmoe_espnet.inference.utterances import Utterance


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
    found = list(recognize_batches(Fake(), batches("0.1", "0", "0", "0"), num_processes))  # type: ignore[arg-type]
    assert [results[0].name for results, _ in found] == ["0", "1", "2", "3"]
    assert (found[0][0][0].texts == (str(os.getpid()),)) == (num_processes == 1)


def test_errors_reach_the_caller() -> None:
    with pytest.raises(ValueError, match="1: bad"):
        list(recognize_batches(Fake(), batches("0", "bad", "0"), 2))  # type: ignore[arg-type]
    with pytest.raises(ChildProcessError, match="one of 2 decoding processes died"):
        list(recognize_batches(Fake(), batches("0", "killed", "0"), 2))  # type: ignore[arg-type]


def test_processes_end_with_their_parent() -> None:
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); import test_parallel as t\n"
        "jobs = t.recognize_batches(t.Fake(), t.batches('0', '0', '60', '60'), 2)\n"
        "pids = {next(jobs)[0][0].texts[0] for _ in range(2)}; print(*pids, flush=True)\n"
        "list(jobs)\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
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
