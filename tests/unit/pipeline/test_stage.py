"""A stage runs only if needed and never leaves a partial target."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from speechmoe_espnet.pipeline.digests import command_digest_words, input_digest
from speechmoe_espnet.pipeline.stage import CommandFailedError, Stage, run

MARKS = (".done.json", ".files.json")


def shell(text: str, target: Path, *inputs: Path, **options: object) -> Stage:
    return Stage(target=target, command=("sh", "-c", text), inputs=inputs, **options)  # type: ignore[arg-type]


def listing(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def wait_for(path: Path, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


def start_stage(target: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "speechmoe_espnet.bin.stage", "--target", str(target), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_text("first\n")
    return path


def test_runs_once_and_again_when_an_input_changes(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "target"
    stage = shell(f"cp {source} {{out}}/copy; echo x >> {tmp_path}/count", target, source)
    assert run(stage)
    assert not run(stage)
    source.write_text("second\n")
    assert run(stage)
    assert (target / "copy").read_text() == "second\n"
    assert (tmp_path / "count").read_text() == "x\nx\n"
    assert listing(tmp_path) == ["count", "source", "target"]


def test_touched_input_of_the_same_content_does_not_run_again(tmp_path: Path, source: Path) -> None:
    stage = shell(f"cp {source} {{out}}", tmp_path / "target", source)
    run(stage)
    os.utime(source, (1, 1))
    assert not run(stage)


def test_changed_command_runs_again_and_number_of_jobs_does_not(tmp_path: Path) -> None:
    def stage(*words: str) -> Stage:
        return Stage(
            target=tmp_path / "target",
            command=("sh", "-c", 'echo "$@" > {out}/words', "sh", *words),
            ignored=("seconds=",),
        )

    assert run(stage("--seed", "0", "--nj", "1"))
    assert not run(stage("--seed", "0", "--nj", "4"))
    assert not run(stage("--seed", "0", "--nj=8", "seconds=3"))
    assert run(stage("--seed", "1", "--nj", "4"))


def test_words_of_a_command_in_its_digest() -> None:
    words = [
        "x",
        "--ngpu",
        "1",
        "--nj=3",
        "--num-workers",
        "2",
        "--beam",
        "2",
        "--log_level",
        "--a",
    ]
    assert command_digest_words(words) == ["x", "--beam", "2", "--a"]


def test_out_and_final(tmp_path: Path) -> None:
    target = tmp_path / "target"
    run(shell("echo {out} {final} > {out}/names", target))
    out, final = (target / "names").read_text().split()
    assert Path(out).parent == tmp_path
    assert Path(out).name.startswith(".target.tmp.")
    assert Path(final) == target


def test_downstream_runs_again_only_when_content_changed(tmp_path: Path, source: Path) -> None:
    first = shell(f"head -c 3 {source} > {{out}}/start", tmp_path / "first", source)
    second = shell(f"cp {tmp_path}/first/start {{out}}", tmp_path / "second", tmp_path / "first")
    run(first)
    run(second)
    source.write_text("firm\n")
    assert run(first)
    assert not run(second)
    source.write_text("other\n")
    assert run(first)
    assert run(second)


def test_target_that_was_moved_keeps_its_digest(tmp_path: Path, source: Path) -> None:
    run(shell(f"cp {source} {{out}}", tmp_path / "first", source))
    before = input_digest(tmp_path / "first")
    (tmp_path / "first").rename(tmp_path / "moved")
    assert input_digest(tmp_path / "moved") == before
    os.utime(tmp_path / "moved" / "source", (1, 1))
    assert input_digest(tmp_path / "moved") == before
    (tmp_path / "moved" / "source").write_text("edited\n")
    assert input_digest(tmp_path / "moved", accept_changes=True) != before


def test_stage_inside_another_target_does_not_change_it(tmp_path: Path, source: Path) -> None:
    outer = shell(f"cp {source} {{out}}", tmp_path / "outer", source)
    run(outer)
    before = input_digest(tmp_path / "outer")
    run(shell("echo 1 > {out}/score", tmp_path / "outer" / "inner"))
    assert input_digest(tmp_path / "outer") == before
    assert not run(outer)


def test_missing_file_in_a_target_makes_it_again(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "target"
    stage = shell(f"cp {source} {{out}}/a; cp {source} {{out}}/b", target, source)
    run(stage)
    (target / "b").unlink()
    assert run(stage)
    assert (target / "b").exists()


def test_failing_command_leaves_the_earlier_target(tmp_path: Path, source: Path) -> None:
    target, log = tmp_path / "target", tmp_path / "log" / "stage.log"
    run(shell(f"cp {source} {{out}}", target, source))
    before = (target / ".done.json").read_text()
    text = "echo half > {out}/half; for i in $(seq 30); do echo line $i; done; exit 7"
    with pytest.raises(CommandFailedError) as error:
        run(shell(text, target, source, log=log, name="stage 2"))
    assert error.value.status == 7
    # What the command said is on the screen already.
    said = f"stage 2: the command failed with status 7; what it said stands above and in {log}"
    assert str(error.value) == said
    assert (target / ".done.json").read_text() == before
    assert listing(target) == [*MARKS, "source"]
    assert listing(tmp_path) == ["log", "source", "target"]
    assert "line 1\n" in log.read_text()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("for i in $(seq 30); do echo line $i; done", [f"line {i}" for i in range(16, 31)]),
        ("echo before; echo train: error: a:; echo b", ["train: error: a:", "b"]),
        ("echo trainer.py: error: c; echo lm_train: error: d", ["lm_train: error: d"]),
    ],
)
def test_quiet_command_that_fails_tells_its_error_once(
    tmp_path: Path, said: str, shown: list[str]
) -> None:
    target, log = tmp_path / "target", tmp_path / "stage.log"
    stage = shell(f"{said}; exit 7 # {{out}}", target, log=log, quiet=True, in_place=True)
    for _ in range(2):  # the log is that of both
        with pytest.raises(CommandFailedError) as error:
            run(stage)
        first, *lines = str(error.value).splitlines()
        assert first == f"stage: the command failed with status 7; its log {log} ends with"
        assert lines == [f"  | {line}" for line in shown]


def test_quiet_command_that_fails_without_a_word(tmp_path: Path) -> None:
    with pytest.raises(CommandFailedError, match=r"stage\.log ends with nothing$"):
        run(shell("exit 1 # {out}", tmp_path / "t", log=tmp_path / "stage.log", quiet=True))


def test_command_that_writes_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(CommandFailedError, match="wrote nothing"):
        run(shell("true {out}", tmp_path / "target"))
    assert listing(tmp_path) == []


def test_missing_input_is_named_with_its_cure(tmp_path: Path) -> None:
    missing = tmp_path / "data"
    stage = shell(
        "touch {out}/x",
        tmp_path / "target",
        missing,
        hints={str(missing): "stage 1 makes it"},
        name="stage 2",
    )
    with pytest.raises(FileNotFoundError, match=r"stage 2: input .*data does not exist; stage 1"):
        run(stage)
    assert listing(tmp_path) == []


def test_target_below_a_missing_input_makes_no_folder(tmp_path: Path) -> None:
    missing = tmp_path / "experiment"
    with pytest.raises(FileNotFoundError, match="experiment does not exist"):
        run(shell("touch {out}/x", missing / "decode", missing))
    assert listing(tmp_path) == []


def test_unfinished_input_is_refused(tmp_path: Path) -> None:
    training = tmp_path / "training"
    with pytest.raises(CommandFailedError):
        run(shell("touch {out}/checkpoint; exit 1", training, in_place=True))
    with pytest.raises(ValueError, match="not finished"):
        run(shell("touch {out}/x", tmp_path / "target", training))


def test_command_must_write_somewhere(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no \{out\}"):
        shell("touch x", tmp_path / "target")
    with pytest.raises(ValueError, match="no command"):
        Stage(target=tmp_path / "target", command=())


def test_in_place_resumes(tmp_path: Path) -> None:
    target = tmp_path / "training"
    text = f"echo epoch >> {{out}}/epochs; [ -e {tmp_path}/go ]"
    stage = shell(text, target, in_place=True)
    with pytest.raises(CommandFailedError):
        run(stage)
    assert (target / ".started.json").exists()
    assert not (target / ".done.json").exists()
    (tmp_path / "go").touch()
    assert run(stage)
    assert (target / "epochs").read_text() == "epoch\nepoch\n"
    assert listing(target) == [*MARKS, "epochs"]
    assert not run(stage)


def test_nothing_is_resumed_or_kept_before_the_first_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "training"

    def fail(config: str, *files: str) -> str:
        text = f"cd {{out}}; echo {config} >> log; touch {' '.join(files)} log; exit 1"
        with pytest.raises(CommandFailedError):
            run(shell(text, target, in_place=True, checkpoint="last.pth"))
        return capsys.readouterr().out

    for config in ("one", "one", "two"):
        output = fail(config)
        assert "resuming" not in output
        assert "kept as" not in output
    assert (target / "log").read_text() == "two\n"
    assert listing(tmp_path) == ["training"]
    fail("three", "last.pth")
    assert "resuming" in fail("three", "last.pth")
    assert "kept as" in fail("four")
    assert listing(tmp_path) == ["training", "training.bak.1"]
    # What another stage has finished inside is kept as well.
    run(shell("touch {out}/x", target / "decode"))
    assert "kept as" in fail("five")


def test_partial_files_of_a_killed_training_are_removed(
    tmp_path: Path,
) -> None:
    target = tmp_path / "training"
    text = f"touch {{out}}/checkpoint.pth.tmp.123; [ -e {tmp_path}/go ] && rm {{out}}/*.tmp.123"
    stage = shell(text + "; touch {out}/model.tmp.v2; [ -e {out}/../go ]", target, in_place=True)
    with pytest.raises(CommandFailedError):
        run(stage)
    (target / "other.pth.tmp.45").touch()
    (tmp_path / "go").touch()
    assert run(stage)
    assert listing(target) == [*MARKS, "model.tmp.v2"]
    before = input_digest(target)
    (target / "checkpoint.pth.tmp.7").touch()
    assert input_digest(target) == before
    assert not run(stage)


@pytest.mark.parametrize("finished", [True, False])
def test_in_place_keeps_a_run_of_another_configuration(
    tmp_path: Path, finished: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "training"
    status = 0 if finished else 1
    for number in range(3):
        stage = shell(f"echo {number} >> {{out}}/epochs; exit {status}", target, in_place=True)
        if finished:
            assert run(stage)
        else:
            with pytest.raises(CommandFailedError):
                run(stage)
    assert (target / "epochs").read_text() == "2\n"
    assert (tmp_path / "training.bak.1" / "epochs").read_text() == "0\n"
    assert (tmp_path / "training.bak.2" / "epochs").read_text() == "1\n"
    assert "kept as" in capsys.readouterr().out


def test_in_place_keeps_files_of_unknown_origin(tmp_path: Path) -> None:
    target = tmp_path / "training"
    target.mkdir()
    (target / "mine").write_text("precious\n")
    run(shell("touch {out}/x", target, in_place=True))
    assert (tmp_path / "training.bak.1" / "mine").read_text() == "precious\n"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_the_command_and_cleans_up(tmp_path: Path, signum: int) -> None:
    text = f"touch {{out}}/half {tmp_path}/ready; sleep 60 & echo $! > {tmp_path}/pid; wait"
    stage = start_stage(tmp_path / "target", "--", "sh", "-c", text)
    wait_for(tmp_path / "pid")
    stage.send_signal(signum)
    output, _ = stage.communicate(timeout=20)
    assert stage.returncode == 128 + signum
    assert "stopped by" in output
    assert listing(tmp_path) == ["pid", "ready"]
    assert_gone(int((tmp_path / "pid").read_text()))


def test_kill_leaves_the_target_and_the_next_run_is_clean(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "target"
    run(shell(f"cp {source} {{out}}", target, source))
    text = (
        f"touch {{out}}/half; [ -e {tmp_path}/again ] && exit 0; "
        f"sleep 60 & echo $! > {tmp_path}/pid; wait"
    )
    stage = start_stage(target, "--", "sh", "-c", text)
    wait_for(tmp_path / "pid")
    stage.kill()
    stage.communicate(timeout=20)
    assert listing(target) == [*MARKS, "source"]
    (tmp_path / "again").touch()
    again = start_stage(target, "--", "sh", "-c", text)
    output, _ = again.communicate(timeout=20)
    assert again.returncode == 0, output
    assert listing(target) == [*MARKS, "half"]
    assert listing(tmp_path) == ["again", "pid", "source", "target"]
    assert_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("name", ["target", "target[1]*"])
def test_kill_between_the_two_moves_loses_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / name
    first = shell("echo 1 > {out}/first", target)
    second = shell("echo 2 > {out}/second", target)
    run(first)
    rename, moved = Path.rename, []

    def stop_at_second(path: Path, to: Path) -> Path:
        moved.append(path)
        if len(moved) == 2:
            raise KeyboardInterrupt
        return rename(path, to)

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        patch.setattr(Path, "rename", stop_at_second)
        with pytest.raises(KeyboardInterrupt):
            run(second)
    assert not target.exists()
    assert not run(second)
    assert listing(target) == [*MARKS, "second"]
    assert listing(tmp_path) == [name]

    # The new directory was lost: the earlier one comes back.
    target.rename(tmp_path / f".{name}.tmp.1.old")
    (tmp_path / f".{name}.tmp.1").mkdir()
    assert not run(second)
    assert listing(tmp_path) == [name]


PROGRAMS = {
    "stage": "speechmoe_espnet.bin.stage --target {0}/made -- sh -c '{1}' {{out}}",
    "side_by_side": "speechmoe_espnet.bin.side_by_side -- sh -c '{1}' --and sleep 60",
    "watch_training": "speechmoe_espnet.bin.watch_training --name x --log {0}/log -- sh -c '{1}'",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_killing_the_script_ends_children_of_its_commands(tmp_path: Path, program: str) -> None:
    child = f"sleep 60 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; wait"
    command = PROGRAMS[program].format(tmp_path, child)
    script = f"{sys.executable} -m {command} > {tmp_path}/output; echo went on > {tmp_path}/more"
    bash = subprocess.Popen(["bash", "-c", script])
    wait_for(tmp_path / "pid")
    bash.kill()
    bash.wait()
    assert_gone(int((tmp_path / "pid").read_text()))
    assert not (tmp_path / "more").exists()


def test_two_runs_at_once_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechmoe_espnet.pipeline.lock.SECONDS_TO_WAIT_FOR_LOCK", 0.1)
    target = tmp_path / "target"
    text = f"touch {{out}}/x {tmp_path}/ready; sleep 60"
    first = start_stage(target, "--", "sh", "-c", text)
    wait_for(tmp_path / "ready")
    with pytest.raises(ValueError, match=rf"another run \(process {first.pid}\)"):
        run(shell("touch {out}/y", target))
    first.terminate()
    first.communicate(timeout=20)
    assert run(shell("touch {out}/y", target))


def test_command_line_errors_and_status(tmp_path: Path) -> None:
    failing = start_stage(tmp_path / "t", "--", "sh", "-c", "exit 5 # {out}")
    output, _ = failing.communicate(timeout=20)
    assert failing.returncode == 5
    assert output.splitlines()[-1].startswith("stage: error: stage: the command failed")
    missing = start_stage(tmp_path / "t", "--", "no-such-program", "{out}")
    output, _ = missing.communicate(timeout=20)
    assert missing.returncode == 1
    assert "no-such-program" in output
    assert listing(tmp_path) == []


def test_mark_records_the_run(tmp_path: Path, source: Path) -> None:
    run(shell(f"cp {source} {{out}}", tmp_path / "target", source, name="stage 1"))
    mark = json.loads((tmp_path / "target" / ".done.json").read_text())
    assert mark["name"] == "stage 1"
    assert mark["command"][0] == "sh"
    assert list(mark["inputs"]) == [str(source)]
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", mark["commit"])
    assert {"digest", "content", "started", "finished", "seconds"} <= set(mark)


def test_mark_records_a_training_resumed_with_other_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "training"
    stage = shell(f"touch {{out}}/x; [ -e {tmp_path}/go ]", target, in_place=True)
    for commit in ("one", "two"):
        monkeypatch.setattr("speechmoe_espnet.pipeline.stage.commit", lambda commit=commit: commit)
        with pytest.raises(CommandFailedError):
            run(stage)
    (tmp_path / "go").touch()
    run(stage)
    mark = json.loads((target / ".done.json").read_text())
    assert (mark["begun_with_commit"], mark["commit"]) == ("one", "two")


def test_starts_quickly() -> None:
    code = "import speechmoe_espnet.bin.stage, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "numpy", "yaml", "espnet2"} & set(loaded)


def assert_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")
