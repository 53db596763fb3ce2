"""Nobody is killed who cannot be proven ours, whoever a lock says that its owner is."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speechmoe_espnet.pipeline import lock, process, process_identity
from speechmoe_espnet.pipeline.lock import TargetLock
from speechmoe_espnet.pipeline.process_identity import Place, end_members, here, start_time

DEADLINE = 0.3
HOLD = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); "
WAIT = "import time; print('held', flush=True); time.sleep(60)"


@pytest.fixture(autouse=True)
def deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "SECONDS_TO_WAIT_FOR_LOCK", DEADLINE)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def begin(code: str, *words: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [*before, sys.executable, "-c", code, *map(str, words)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        return child

    yield begin
    for child in started:
        child.kill()
        child.wait()


def target_and_lock(folder: Path) -> tuple[Path, Path]:
    target = folder / os.urandom(6).hex()
    return target, folder / f".{target.name}.lock"


def ended_process() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def refused(target: Path) -> str:
    begun = time.monotonic()
    with pytest.raises(ValueError, match="another run") as said, TargetLock(target):
        pass
    assert time.monotonic() - begun < DEADLINE + 3
    return str(said.value)


def owner(**changes: Any) -> dict[str, Any]:
    pid = ended_process()
    return {"pid": pid, "started": 1, **here()._asdict(), "group": pid, **changes}


# What proves that the owner was here, and what does not.
RECORDS: dict[str, dict[str, Any]] = {
    "another host": {"host": "elsewhere", "boot": "b", "namespace": "pid:[7]"},
    "another container": {"host": "elsewhere", "namespace": "pid:[7]"},
    "another container of this name": {"namespace": "pid:[7]"},
    "this host before it started anew": {"boot": "b"},
    "no host": {"host": None},
    "an earlier version's": {"host": None, "boot": None, "namespace": None, "started": None},
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS.keys())
def test_a_group_of_the_same_number_is_left_alone(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]], record: dict[str, Any]
) -> None:
    target, path = target_and_lock(tmp_path)
    child = start(HOLD + WAIT, path)  # what the shared lock of another host looks like from here
    bystander = start(WAIT)
    path.write_text(json.dumps(owner(group=bystander.pid, **record)))
    message = refused(target)
    if record.get("host") == "elsewhere":
        assert "on elsewhere" in message
    assert bystander.poll() is None
    assert child.poll() is None


def test_a_group_that_does_not_hold_the_lock_is_left_alone(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    target, path = target_and_lock(tmp_path)
    child = start(HOLD + WAIT, path)
    bystander = start(WAIT)
    path.write_text(json.dumps(owner(group=bystander.pid)))  # its number was given anew
    refused(target)
    assert bystander.poll() is child.poll() is None


def test_a_living_owner_is_left_alone(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    target, path = target_and_lock(tmp_path)
    child = start(HOLD + WAIT, path)
    started = start_time(os.getpid())
    path.write_text(json.dumps(owner(pid=os.getpid(), started=started, group=child.pid)))
    assert f"process {os.getpid()})" in refused(target)
    assert child.poll() is None


@pytest.mark.parametrize("pid_is", ["free", "of another process"])
def test_orphans_of_a_killed_run_are_ended(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]], pid_is: str
) -> None:
    target, path = target_and_lock(tmp_path)
    child = start("import subprocess, sys; subprocess.Popen(['sleep', '60']); " + HOLD + WAIT, path)
    record = owner(group=child.pid)
    if pid_is != "free":
        record |= {"pid": os.getpid(), "started": 1}
    path.write_text(json.dumps(record))
    lock.SECONDS_TO_WAIT_FOR_LOCK = 10.0
    with TargetLock(target):
        child.wait(timeout=5)
    assert child.returncode == -signal.SIGKILL
    assert not [
        pid
        for pid in process_identity._all_processes()
        if process_identity._is_member(pid, child.pid)
    ]


def test_the_group_is_recorded_before_the_command_runs(tmp_path: Path) -> None:
    target, path = target_and_lock(tmp_path)
    with TargetLock(target) as held:
        command = ["sh", "-c", f"cat {path}; ps -o pgid= $$"]
        words = subprocess.PIPE
        child = process.start(command, stdout=words, pass_fds=[held.fd], in_child=held.in_command)
        output, _ = child.communicate()
    record, _, group = output.decode().rpartition("}")
    found = json.loads(record + "}")
    assert found["group"] == child.pid == int(group)
    assert found["pid"] == os.getpid()


def test_orphans_outside_of_the_group_end_the_wait_at_its_deadline(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    target, path = target_and_lock(tmp_path)
    child = start("import os; os.fork() and os._exit(0); os.setsid(); " + HOLD + WAIT, path)
    path.write_text(json.dumps(owner(group=child.pid)))
    refused(target)
    with open(path) as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-2, 2),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(here()),
)
records = st.dictionaries(
    st.sampled_from(["pid", "started", "group", "host", "boot", "namespace", "x"]), values
)


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(record=st.one_of(records.map(json.dumps), st.text(), st.just("[]")), proven=st.booleans())
def test_no_record_leads_to_a_kill_or_an_endless_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: str, proven: bool
) -> None:
    target, path = target_and_lock(tmp_path)
    killed: list[Any] = []
    monkeypatch.setattr(lock, "SECONDS_TO_WAIT_FOR_LOCK", 0.0)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    for name in ("kill", "killpg"):
        monkeypatch.setattr(os, name, lambda *words: killed.append(words))
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda *words: killed.append(words))
    if proven:
        try:
            found = dict(json.loads(record))
        except (ValueError, TypeError):
            found = {}
        record = json.dumps({**found, **here()._asdict()})
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(record)
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another run"), TargetLock(target):
            pass
    assert not killed
    with TargetLock(target):
        pass
    assert not path.exists()


def test_members_of_other_groups_are_never_ended(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    path = tmp_path / "file"
    holder, other = start(HOLD + WAIT, path), start(WAIT)
    for group in (other.pid, os.getpgid(0), 1, 2**22 - 1):
        end_members(group, path)
    assert holder.poll() is other.poll() is None
    end_members(holder.pid, path)
    assert holder.wait(timeout=5) == -signal.SIGKILL


def test_a_place_without_a_proc_of_its_own_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "here", lambda: Place("host", "", ""))
    with TargetLock(tmp_path / "target"):
        record = json.loads((tmp_path / ".target.lock").read_text())
    assert Place.of(record) is None
    assert not lock._has_ended({**record, "started": 1})


def can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    words = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="the kernel allows no pid namespaces here")
def test_two_containers_on_one_target(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """The owner's numbers are those of another namespace, where processes of ours have them."""
    target, path = target_and_lock(tmp_path)
    code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from speechmoe_espnet.pipeline.lock import TargetLock\n"
        "bystander = os.fork()\n"
        "if not bystander:\n"
        "    os.setsid(); time.sleep(60); os._exit(0)\n"
        "with TargetLock(Path(sys.argv[1])) as lock:\n"
        "    lock._write({'group': int(sys.argv[2])})\n"
        f"    {WAIT}\n"
    )
    bystander = start(WAIT)
    inside = ("unshare", "--pid", "--fork", "--mount-proc")
    start(code, target, bystander.pid, before=inside)
    record = json.loads(path.read_text())
    assert record["group"] == bystander.pid
    assert record["namespace"] != here().namespace
    assert "in another container" in refused(target)
    assert bystander.poll() is None

    # And the other way round: a run in a second container, against an owner here.
    other, other_path = target_and_lock(tmp_path)
    start(HOLD + WAIT, other_path)
    other_path.write_text(json.dumps(owner(pid=2**22 - 1, group=2)))
    check = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from speechmoe_espnet.pipeline import lock\n"
        "lock.SECONDS_TO_WAIT_FOR_LOCK = 0.3\n"
        "victim = os.fork()\n"
        "if not victim:\n"
        "    os.setsid(); time.sleep(60); os._exit(0)\n"
        "assert victim == 2, victim\n"
        "try:\n"
        "    lock.TargetLock(Path(sys.argv[1])).__enter__()\n"
        "except ValueError:\n"
        "    assert os.waitpid(victim, os.WNOHANG) == (0, 0)\n"
        "    print('held', flush=True)\n"
    )
    start(check, other, before=inside)
