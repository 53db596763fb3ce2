"""Stage of a recipe: runs if its inputs or command changed, and never leaves a partial target.

The command of a stage writes into a new temporary directory beside the target. When it succeeds,
the directory is marked with a digest of all that it depends on and moved into place. A failed,
stopped or killed command leaves the previous target unchanged. Training works in its target itself,
so that it can resume; output of another configuration is kept under another name. What was made and
then changed by something else (a hand, a disk) stops a stage, unless it is told to accept it.
"""

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from speechmoe_espnet.pipeline.changed_inputs import changes_told, check_contents
from speechmoe_espnet.pipeline.digests import (
    DONE,
    FILES,
    STARTED,
    ChangedError,
    changed_files,
    command_digest,
    command_digest_words,
    digest_of_files,
    file_digests,
    listing_digest,
    read_mark,
    split_options,
    stage_digest,
)
from speechmoe_espnet.pipeline.lock import TargetLock
from speechmoe_espnet.pipeline.marks import goes_on, made_with, timestamp, write_mark
from speechmoe_espnet.pipeline.process import (
    last_words,
    run_logged,
    stopping_signals_raise,
    stopping_signals_wait,
)
from speechmoe_espnet.pipeline.target import (
    OLD,
    free_backup_name,
    fresh_directory,
    is_worth_keeping,
    remove_partial_files,
    take_care_of_leftovers,
)
from speechmoe_espnet.system.provenance import commit


class CommandFailedError(Exception):
    """A stage's command ended with an exit status other than 0.

    Attributes:
        status: The exit status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Stage:
    """Definition of a stage.

    Attributes:
        target: Directory that the stage makes.
        command: Program and arguments; `{out}` in a word is replaced by the directory to
            write into and `{final}` by the target.
        inputs: Files and directories that the command reads.
        name: Name of the stage in messages.
        in_place: Work in the target itself (a training that can resume).
        checkpoint: File in the target that an in-place command can resume from; "": any file.
            What failed before it was written is not kept.
        log: File for the command's output.
        quiet: Write the output to the log only.
        hints: Cure by input path, shown if the input is missing.
        ignored: Words of the command with one of these prefixes do not count as a change.
        may_grow: Options of an in-place training with a whole number, such as `max_epoch`. A
            training with a smaller number is resumed.
        accept_changes: Go on where an input, or the target, was changed since it was made.
    """

    target: Path
    command: tuple[str, ...]
    inputs: tuple[Path, ...] = ()
    name: str = "stage"
    in_place: bool = False
    checkpoint: str = ""
    log: Path | None = None
    quiet: bool = False
    hints: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    may_grow: tuple[str, ...] = ()
    accept_changes: bool = False

    def __post_init__(self) -> None:
        """Check the definition.

        Raises:
            ValueError: The command is empty or has no output directory.
        """
        if not self.command:
            raise ValueError(f"{self.name}: no command given; write it after --")
        if not self.in_place and not any("{out}" in word for word in self.command):
            raise ValueError(
                f"{self.name}: the command {' '.join(self.command)!r} has no {{out}}: "
                "nothing tells it where to write"
            )


def run(stage: Stage) -> bool:
    """Bring a stage's target up to date.

    Args:
        stage: The stage.

    Returns:
        True if the command ran, False if the target was up to date.

    Raises:
        FileNotFoundError: An input, or the program, does not exist.
        ValueError: An input is not finished, an input or the target was changed since it was
            made, or another run works on the target.
        CommandFailedError: The command failed; the target is unchanged.
        process.Interrupted: A signal stopped this process; the target is unchanged.
    """
    with stopping_signals_raise():
        _check_inputs(stage)
        stage.target.parent.mkdir(parents=True, exist_ok=True)
        with TargetLock(stage.target) as lock:
            take_care_of_leftovers(stage.target)
            digest, inputs = _stage_digest(stage)
            if _is_finished(stage, digest):
                with_others = made_with(stage.command, stage.target)
                print(f"{stage.name}: {stage.target} is up to date{with_others}", flush=True)
                return False
            if not stage.accept_changes:
                check_contents(stage.name, stage.inputs, stage.hints)
            begun = time.time()
            mark: dict[str, object] = {
                "name": stage.name,
                "digest": digest,
                "inputs": inputs,
                "command": list(stage.command),
                "commit": commit(),
                "started": timestamp(begun),
            }
            words, mark["length"] = split_options(
                command_digest_words(stage.command, stage.ignored), stage.may_grow
            )
            mark["digest_without_length"] = command_digest(words, inputs)
            with _workplace(stage, mark) as out:
                _run_command(stage, out, lock)
                if not any(out.iterdir()):
                    raise CommandFailedError(f"{stage.name}: the command wrote nothing", 1)
                num_files, listing = listing_digest(out)
                files = file_digests(out)
                mark |= {
                    "num_files": num_files,
                    "listing": listing,
                    "content": digest_of_files(files),
                    "finished": timestamp(time.time()),
                    "seconds": round(time.time() - begun, 1),
                }
                _finish(stage, out, mark, files)
            print(f"{stage.name}: {stage.target} done in {mark['seconds']} s", flush=True)
    return True


def _check_inputs(stage: Stage) -> None:
    for path in stage.inputs:
        hint = stage.hints.get(str(path))
        cure = f"; {hint}" if hint else ""
        if not path.exists():
            raise FileNotFoundError(f"{stage.name}: input {path} does not exist{cure}")
        if path.is_dir() and (path / STARTED).exists() and not (path / DONE).exists():
            raise ValueError(f"{stage.name}: input {path} is not finished{cure}")


def _stage_digest(stage: Stage) -> tuple[str, dict[str, str]]:
    with changes_told(stage.name, stage.hints):
        return stage_digest(
            stage.command, stage.inputs, stage.ignored, accept_changes=stage.accept_changes
        )


def _is_finished(stage: Stage, digest: str) -> bool:
    mark = read_mark(stage.target / DONE)
    if mark is None or mark.get("digest") != digest:
        return False
    num_files, listing = listing_digest(stage.target)
    if num_files < mark.get("num_files", 0):
        print(f"{stage.name}: files are missing from {stage.target}; making it again", flush=True)
        return False
    if listing == mark.get("listing"):
        return True
    is_changed, names = changed_files(stage.target, mark)
    if is_changed:
        error = ChangedError(stage.target, names)
        if not stage.accept_changes:
            raise ValueError(
                f"{stage.name}: {error}; remove it to make it again, or keep it as it is by "
                "--accept-changes"
            )
        print(f"{stage.name}: {error}; kept as it is (--accept-changes)", flush=True)
    return True


@contextmanager
def _workplace(stage: Stage, mark: dict[str, object]) -> Iterator[Path]:
    """Yield the directory that the command writes into; record in the mark what is resumed."""
    target = stage.target
    if not stage.in_place:
        with fresh_directory(target) as out:
            yield out
        return
    earlier = read_mark(target / STARTED) or read_mark(target / DONE)
    if target.exists() and any(target.iterdir()):
        is_same = earlier is not None and goes_on(earlier, mark)
        if earlier is not None and not is_worth_keeping(target, stage.checkpoint):
            remove_partial_files(target)
            if not is_same:
                shutil.rmtree(target)
        elif not is_same:
            backup = free_backup_name(target)
            target.rename(backup)
            print(
                f"{stage.name}: {target} has another configuration or other inputs; it is "
                f"kept as {backup}",
                flush=True,
            )
        elif earlier is not None:
            print(f"{stage.name}: resuming {target}", flush=True)
            remove_partial_files(target)
            begun_with = earlier.get("begun_with_commit", earlier.get("commit"))
            if begun_with not in (None, mark["commit"]):
                mark["begun_with_commit"] = begun_with
                print(f"{stage.name}: {target} was started with commit {begun_with}", flush=True)
    target.mkdir(exist_ok=True)
    write_mark(target / STARTED, mark)
    for name in (DONE, FILES):
        (target / name).unlink(missing_ok=True)
    yield target


def _run_command(stage: Stage, out: Path, lock: TargetLock) -> None:
    command = [
        word.replace("{out}", str(out)).replace("{final}", str(stage.target))
        for word in stage.command
    ]
    print(f"{stage.name}: making {stage.target}", flush=True)
    status = run_logged(
        command,
        stage.log,
        quiet=stage.quiet,
        append=stage.in_place,
        pass_fds=[lock.fd],
        in_child=lock.in_command,
    )
    if status == 0:
        return
    message = f"{stage.name}: the command failed with status {status}"
    if stage.log is None:
        message += f": {' '.join(command)}"
    elif stage.quiet:
        lines = "".join(f"\n  | {line}" for line in last_words(stage.log))
        message += f"; its log {stage.log} ends with{lines or ' nothing'}"
    else:
        message += f"; what it said stands above and in {stage.log}"
    raise CommandFailedError(message, status)


def _finish(stage: Stage, out: Path, mark: Mapping[str, object], files: Mapping[str, str]) -> None:
    with stopping_signals_wait():
        write_mark(out / FILES, files)
        write_mark(out / DONE, mark)
        if stage.in_place:
            (out / STARTED).unlink()
            return
        old = out.with_name(out.name + OLD)
        if stage.target.exists():
            stage.target.rename(old)
        out.rename(stage.target)
        shutil.rmtree(old, ignore_errors=True)
