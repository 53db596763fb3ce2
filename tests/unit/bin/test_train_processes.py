"""What each process of a training is told, and how a failure is reported."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from speechmoe_espnet.bin import train_processes
from speechmoe_espnet.pipeline.process_group import Failed, Member

WORDS = ("asr_train", "--config", "a.yaml", "--max-epoch", "2", "--optim_conf", "lr=0.1")


class Group:
    """In place of run_group: keeps the processes, and fails as it is told."""

    def __init__(self, failed: Failed | None = None) -> None:
        self.failed = failed
        self.members: Sequence[Member] = []

    def __call__(self, members: Sequence[Member]) -> Failed | None:
        self.members = members
        for number, member in enumerate(members):
            if member.output is not None:
                member.output.write(f"last words of {number}\n".encode())
                member.output.flush()
        return self.failed


def value(member: Member, option: str) -> str:
    words = list(member.command)
    return words[len(words) - words[::-1].index(option)]


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Group:
    group = Group()
    monkeypatch.setattr(train_processes, "run_group", group)
    return group


@pytest.mark.parametrize("ngpu", [0, 1])
def test_one_process_is_the_training_itself(ngpu: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def execv(path: str, words: list[str]) -> None:
        ran.append([path, *words[1:]])
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", execv)
    with pytest.raises(SystemExit):
        train_processes.main([*WORDS, "--ngpu", str(ngpu)])
    rest = ["--config", "a.yaml", "--max_epoch", "2", "--optim_conf", "lr=0.1"]
    module = "speechmoe_espnet.bin.asr_train"
    assert ran == [[sys.executable, "-m", module, *rest, "--ngpu", str(ngpu)]]


def test_processes_of_the_cpu(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    assert train_processes.main([*WORDS, "--num-processes", "2"]) == 0
    assert [member.env["RANK"] for member in group.members] == ["0", "1"]
    assert [member.output is None for member in group.members] == [True, False]
    for member in group.members:
        assert member.env["WORLD_SIZE"] == "2"
        assert member.env["OMP_NUM_THREADS"] == "3"
        assert value(member, "--dist_backend") == "gloo"
        assert value(member, "--ngpu") == "0"
        assert value(member, "--multiprocessing_distributed") == "false"
        assert value(member, "--dist_init_method") == value(group.members[0], "--dist_init_method")
        assert not Path(value(member, "--dist_init_method").removeprefix("file://")).parent.exists()
        assert "--num_processes" not in member.command


def test_processes_of_gpus(group: Group) -> None:
    assert train_processes.main([*WORDS, "--ngpu", "3"]) == 0
    assert [member.env["LOCAL_RANK"] for member in group.members] == ["0", "1", "2"]
    for member in group.members:
        assert value(member, "--dist_backend") == "nccl"
        assert value(member, "--ngpu") == "1"


@pytest.mark.parametrize(
    ("failed", "status", "said"),
    [
        (Failed(0, 1), 1, ""),
        (Failed(1, 1), 1, "last words of 1\n"),
        (
            Failed(1, -9),
            137,
            "last words of 1\nasr_train: error: process 2 of 2 was killed by SIGKILL, so the "
            "others were stopped; the same command goes on after the last finished epoch\n",
        ),
    ],
)
def test_the_process_that_failed_has_the_last_word(
    failed: Failed,
    status: int,
    said: str,
    group: Group,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    group.failed = failed
    assert train_processes.main([*WORDS, "--num_processes", "2"]) == status
    assert capfdbinary.readouterr().err.decode() == said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--num_processes", "0"], "--num_processes 0: at least 1"),
        (["--ngpu", "-1"], "--ngpu -1: at least 0"),
        (["--num_processes", "2", "--ngpu", "1"], "one process each"),
        (["--num_nodes", "0"], "--num_nodes 0: at least 1"),
        (["--num_nodes", "2"], "--num_nodes 2: where do the machines meet? Submit a Slurm job"),
        (["--rdzv_endpoint", "a:1"], "--rdzv_endpoint a:1 has no effect without --num_nodes"),
    ],
)
def test_mistakes_are_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_processes.main([*WORDS, *options]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("train_processes: error: ")
    assert message in line


def test_a_slurm_job_starts_the_command_on_every_machine(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "31234")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "3")
    monkeypatch.setattr(socket, "gethostname", lambda: "node7")
    assert train_processes.main([*WORDS, "--ngpu", "4", "--num-nodes", "3"]) == 0
    (member,) = group.members
    rest = ["--config", "a.yaml", "--max_epoch", "2", "--optim_conf", "lr=0.1"]
    assert member.command == [
        *("srun", "--nodes=3", "--ntasks=3", "--ntasks-per-node=1", "--kill-on-bad-exit=1"),
        *(sys.executable, "-m", "speechmoe_espnet.bin.train_processes", "asr_train", *rest),
        *("--ngpu", "4", "--num_nodes", "3", "--rdzv_endpoint", "node7:31234"),
    ]


def test_a_slurm_job_of_another_size_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "1")
    assert train_processes.main([*WORDS, "--num-nodes", "2"]) == 1
    assert "this Slurm job has 1 nodes; submit it with --nodes=2" in capsys.readouterr().err


def test_the_environment_says_where_machines_meet() -> None:
    env = {"MASTER_ADDR": "a", "MASTER_PORT": "5"}
    assert train_processes.num_nodes(2, "", env) == (2, "a:5", False)
    assert train_processes.num_nodes(2, "b:6", env | {"SLURM_JOB_ID": "7"}) == (2, "b:6", False)


RANK = """
import os, signal, sys
import torch.distributed as dist
dist.init_process_group("gloo", init_method="env://")
total = __import__("torch").ones(1)
dist.all_reduce(total)
if os.environ["RANK"] == os.environ.get("KILLED"):
    os.kill(os.getpid(), signal.SIGKILL)
dist.barrier()
print("rank", os.environ["RANK"], int(total), *sys.argv[1:3], flush=True)
"""


@pytest.mark.parametrize("killed", ["", "1"])
def test_two_machines_are_one_training(killed: str, tmp_path: Path) -> None:
    (tmp_path / "training.py").write_text(RANK)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        endpoint = f"localhost:{free.getsockname()[1]}"
    code = (
        "import sys; from speechmoe_espnet.bin import train_processes as t;"
        f"training = [sys.executable, {str(tmp_path / 'training.py')!r}, 'given', 'words'];"
        f"nodes = t.Nodes(2, {endpoint!r}, False);"
        "sys.exit(t._train_on_nodes('asr_train', training, 1, nodes, on_gpu=False))"
    )
    env = os.environ | {"KILLED": killed, "GLOO_SOCKET_IFNAME": "lo"}
    machines = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    told = [machine.communicate(timeout=300) for machine in machines]
    if not killed:
        assert [machine.returncode for machine in machines] == [0, 0]
        lines = sorted(out.decode().strip() for out, _ in told)
        assert lines == ["rank 0 2 given words", "rank 1 2 given words"]
        return
    assert all(machine.returncode for machine in machines)
    assert 137 in [machine.returncode for machine in machines]
    errors = "".join(err.decode() for _, err in told)
    assert "asr_train: error: process 2 of 2 was killed by SIGKILL, so the others were" in errors
