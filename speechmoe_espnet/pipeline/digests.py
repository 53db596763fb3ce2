"""Digests of the inputs of stages: a stage runs again only if an input or its command changed.

A finished target contains a mark (`.done.json`) with the digest of its content. The mark is trusted
as long as the listing of the target (paths, sizes, times) is unchanged. After a manual edit, the
content is read again and compared with the digests of its files (`.files.json`): what was changed
since it was made is named. This module imports little: a stage with nothing to do must finish
within a tenth of a second.
"""

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

DONE = ".done.json"
STARTED = ".started.json"
FILES = ".files.json"

NO_EFFECT_ON_RESULTS = frozenset(
    {
        *("nj", "ngpu", "num_processes", "num_nodes", "num_workers", "num_threads", "cluster"),
        *("log_level", "log_interval", "speech_dir"),
    }
)
_FILES_A_BATCH = 64
_SMALL_FILE = 1 << 20
_LEVELS = 6
_SHOWN = 3
_TEMPORARY = re.compile(r"\..*\.lock|\..*\.tmp\..*|.*\.tmp\.\d+")


class ChangedError(ValueError):
    """A finished target was changed since it was made.

    Attributes:
        target: The target.
        names: Files of it with another content, or that are missing; empty where the target
            does not tell.
    """

    def __init__(self, target: Path, names: Sequence[str]) -> None:
        shown = ", ".join(names[:_SHOWN])
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        what = f" ({shown}{more})" if names else ""
        super().__init__(f"{target} was changed since it was made{what}")
        self.target = target
        self.names = tuple(names)


def read_mark(path: Path) -> dict[str, Any] | None:
    """Return the content of a mark file, or None if it is missing or incomplete."""
    try:
        mark = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None
    return mark if isinstance(mark, dict) else None


def is_temporary(name: str) -> bool:
    """Return whether a file name is that of a lock or of a temporary output.

    Such names are `.NAME.lock`, `.NAME.tmp.PID`, `.NAME.tmp.PID.old` and `NAME.tmp.PID`.
    """
    return "." in name and _TEMPORARY.fullmatch(name) is not None


def own_files(directory: Path) -> Iterator[str]:
    """Yield a directory's files, sorted, as paths relative to it.

    Marks, temporary directories and locks are left out, and so are folders that are
    finished targets of another stage (a decoding inside an experiment).
    """
    for folder, names, files in os.walk(directory):
        names[:] = sorted(
            name
            for name in names
            if not is_temporary(name) and not os.path.exists(os.path.join(folder, name, DONE))
        )
        relative = os.path.relpath(folder, directory)
        prefix = "" if relative == os.curdir else f"{relative}{os.sep}"
        for name in sorted(files):
            if name not in (DONE, STARTED, FILES) and not is_temporary(name):
                yield prefix + name


def listing_digest(directory: Path) -> tuple[int, str]:
    """Return the number of a directory's own files and a digest of their names, sizes, times."""
    digest = hashlib.sha256()
    count, root = 0, os.fspath(directory)
    for name in own_files(directory):
        status = os.stat(f"{root}{os.sep}{name}")
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        count += 1
    return count, digest.hexdigest()


def content_digest(directory: Path) -> str:
    """Return a digest of the names and the bytes of a directory's own files."""
    return digest_of_files(file_digests(directory))


def digest_of_files(digests: Mapping[str, str]) -> str:
    """Return the digest of a directory by those of its files, in the order of `own_files`."""
    digest = hashlib.sha256()
    for name, its_digest in digests.items():
        digest.update(f"{name}\0{its_digest}\n".encode())
    return digest.hexdigest()


def file_digests(directory: Path) -> dict[str, str]:
    """Return the digest of the bytes of each of a directory's own files, by name, sorted."""
    # Imported here: it takes time that a stage with nothing to do has not.
    from concurrent.futures import ThreadPoolExecutor

    found: dict[str, str] = {}
    names = list(own_files(directory))
    batches = [
        names[first : first + _FILES_A_BATCH] for first in range(0, len(names), _FILES_A_BATCH)
    ]

    def digests_of(batch: list[str]) -> list[str]:
        return [_file_digest(directory / name) for name in batch]

    # Reading and hashing leave other threads the interpreter.
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        for batch, digests in zip(batches, threads.map(digests_of, batches), strict=True):
            found.update(zip(batch, digests, strict=True))
    return found


def changed_files(target: Path, mark: Mapping[str, Any]) -> tuple[bool, list[str]]:
    """Compare a target that has another listing than its mark with what was made.

    Args:
        target: A finished target.
        mark: Its mark.

    Returns:
        Whether a file that was made has another content or is missing, and the names of such
        files, which targets of earlier versions do not tell. New files are no change.
    """
    found, made = file_digests(target), read_mark(target / FILES)
    if made is None:
        return digest_of_files(found) != mark.get("content"), []
    names = [name for name, digest in made.items() if found.get(name) != digest]
    return bool(names), names


def input_digest(path: Path, *, accept_changes: bool = False) -> str:
    """Return the digest of a stage's input.

    Args:
        path: A file (its bytes count), a finished target (its content counts), or any
            other directory (names, sizes and times of its files count).
        accept_changes: Whether a finished target, or a part of one, may have been changed since
            it was made.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ChangedError: It was changed since it was made.
        ValueError: The path is an unfinished target of a stage.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if not path.is_dir():
        digest = _file_digest(path)
        if not accept_changes:
            _check_part(path, digest)
        return digest
    mark = read_mark(path / DONE)
    if mark is None:
        if (path / STARTED).exists():
            raise ValueError(f"{path} is not finished")
        return listing_digest(path)[1]
    if listing_digest(path)[1] == mark.get("listing"):
        return str(mark.get("content"))
    if not accept_changes:
        is_changed, names = changed_files(path, mark)
        if is_changed:
            raise ChangedError(path, names)
    return content_digest(path)


def check_file(path: Path) -> None:
    """Compare a file with the record of the finished target that it is a part of, if it is.

    Raises:
        FileNotFoundError: There is no such file.
        ChangedError: It was changed since it was made.
    """
    _check_part(path, _file_digest(path))


def check_content(path: Path) -> None:
    """Compare all bytes of a finished target with its record, whatever sizes and times say.

    It takes a second for a gigabyte and core. Nothing is done for other paths: a file has been read
    for its digest, and other directories have no record.

    Raises:
        ChangedError: A file has other bytes than were made, or is missing.
    """
    mark = read_mark(path / DONE) if path.is_dir() else None
    if mark is not None:
        is_changed, names = changed_files(path, mark)
        if is_changed:
            raise ChangedError(path, names)


def _check_part(path: Path, digest: str) -> None:
    """Raise ChangedError where a file is part of a finished target that had another file there."""
    for target in list(path.parents)[:_LEVELS]:
        if (target / DONE).exists():
            made = (read_mark(target / FILES) or {}).get(os.path.relpath(path, target))
            if made not in (None, digest):
                raise ChangedError(path, ())
            return


def command_digest_words(command: Sequence[str], ignored: Sequence[str] = ()) -> list[str]:
    """Return a command without the words that cannot change its results.

    Args:
        command: Program and arguments.
        ignored: Words with one of these prefixes are left out, as are `--nj N` and similar options.
    """
    words, _ = split_options(command, NO_EFFECT_ON_RESULTS)
    return [word for word in words if not word.startswith(tuple(ignored))]


def stage_digest(
    command: Sequence[str],
    inputs: Sequence[Path],
    ignored: Sequence[str] = (),
    *,
    accept_changes: bool = False,
) -> tuple[str, dict[str, str]]:
    """Return the digest of all that a stage depends on, and the digest of each input.

    Args:
        command: Program and arguments, with placeholders.
        inputs: Files and directories that the command reads.
        ignored: Words of the command with one of these prefixes do not count.
        accept_changes: Whether inputs may have been changed since they were made.

    Raises:
        FileNotFoundError: An input does not exist.
        ChangedError: An input was changed since it was made.
        ValueError: An input is not finished.
    """
    by_path = {str(path): input_digest(path, accept_changes=accept_changes) for path in inputs}
    return command_digest(command_digest_words(command, ignored), by_path), by_path


def command_digest(words: Sequence[str], inputs: Mapping[str, str]) -> str:
    """Return the digest of a command and of its inputs' digests by path."""
    text = json.dumps({"command": list(words), "inputs": inputs}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def split_options(
    command: Sequence[str], names: Collection[str]
) -> tuple[list[str], dict[str, str]]:
    """Return a command without some of its options, and their values by name.

    Args:
        command: The command's words.
        names: Options without their dashes, with underscores.

    Returns:
        The words that are left, and the last value of each option; "" where it has none.
    """
    words: list[str] = []
    values: dict[str, str] = {}
    waiting = ""
    for word in command:
        if waiting and not word.startswith("--"):
            values[waiting] = word
            waiting = ""
            continue
        waiting = ""
        option, equals, value = word.partition("=")
        name = option[2:].replace("-", "_") if option.startswith("--") else ""
        if name not in names:
            words.append(word)
            continue
        values[name] = value
        waiting = "" if equals else name
    return words, values


def _file_digest(path: Path) -> str:
    with open(path, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size <= _SMALL_FILE:
            return hashlib.sha256(file.read()).hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()
