"""Digests of the inputs of stages: a stage runs again only if an input or its command changed.

A finished target contains a mark (`.done.json`) with the digest of its content. The mark is trusted
as long as the listing of the target (paths, sizes, times) is unchanged. After a manual edit, the
content is read again. This module imports little: a stage with nothing to do must finish within a
tenth of a second.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

DONE = ".done.json"
STARTED = ".started.json"

_NO_EFFECT_ON_RESULTS = frozenset(
    {"--nj", "--ngpu", "--num_workers", "--num_threads", "--log_level", "--log_interval"}
)
_FILES_A_BATCH = 64
_SMALL_FILE = 1 << 20
_TEMPORARY = re.compile(r"\..*\.lock|\..*\.tmp\..*|.*\.tmp\.\d+")


def read_mark(path: Path) -> dict[str, Any] | None:
    """Return the content of a mark file, or None if it is missing or incomplete."""
    try:
        mark = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    return mark if isinstance(mark, dict) else None


def is_temporary(name: str) -> bool:
    """Return whether a file name is that of a lock or of a temporary output.

    Such names are `.NAME.lock`, `.NAME.tmp.PID`, `.NAME.tmp.PID.old` and `NAME.tmp.PID`.
    """
    return _TEMPORARY.fullmatch(name) is not None


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
            if name not in (DONE, STARTED) and not is_temporary(name):
                yield prefix + name


def listing_digest(directory: Path) -> tuple[int, str]:
    """Return the number of a directory's own files and a digest of their names, sizes, times."""
    digest = hashlib.sha256()
    count = 0
    for name in own_files(directory):
        status = os.stat(f"{directory}{os.sep}{name}")
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        count += 1
    return count, digest.hexdigest()


def content_digest(directory: Path) -> str:
    """Return a digest of the names and the bytes of a directory's own files."""
    # Imported here: it takes time that a stage with nothing to do has not.
    from concurrent.futures import ThreadPoolExecutor

    digest = hashlib.sha256()
    names = list(own_files(directory))
    batches = [
        names[first : first + _FILES_A_BATCH] for first in range(0, len(names), _FILES_A_BATCH)
    ]

    def file_digests(batch: list[str]) -> list[str]:
        return [_file_digest(directory / name) for name in batch]

    # Reading and hashing leave other threads the interpreter.
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        for batch, digests in zip(batches, threads.map(file_digests, batches), strict=True):
            for name, its_digest in zip(batch, digests, strict=True):
                digest.update(f"{name}\0{its_digest}\n".encode())
    return digest.hexdigest()


def input_digest(path: Path) -> str:
    """Return the digest of a stage's input.

    Args:
        path: A file (its bytes count), a finished target (its content counts), or any
            other directory (names, sizes and times of its files count).

    Raises:
        FileNotFoundError: There is nothing at the path.
        ValueError: The path is an unfinished target of a stage.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if not path.is_dir():
        return _file_digest(path)
    mark = read_mark(path / DONE)
    if mark is None:
        if (path / STARTED).exists():
            raise ValueError(f"{path} is not finished")
        return listing_digest(path)[1]
    if listing_digest(path)[1] == mark.get("listing"):
        return str(mark["content"])
    return content_digest(path)


def command_digest_words(command: Sequence[str], ignored: Sequence[str] = ()) -> list[str]:
    """Return a command without the words that cannot change its results.

    Args:
        command: Program and arguments.
        ignored: Words with one of these prefixes are left out, as are `--nj N` and similar options.
    """
    words: list[str] = []
    skip_value = False
    for word in command:
        if skip_value and not word.startswith("--"):
            skip_value = False
            continue
        skip_value = False
        if word.startswith(tuple(ignored)):
            continue
        option, equals, _ = word.partition("=")
        if option.replace("-", "_").replace("__", "--", 1) in _NO_EFFECT_ON_RESULTS:
            skip_value = not equals
            continue
        words.append(word)
    return words


def stage_digest(
    command: Sequence[str], inputs: Sequence[Path], ignored: Sequence[str] = ()
) -> tuple[str, dict[str, str]]:
    """Return the digest of all that a stage depends on, and the digest of each input.

    Args:
        command: Program and arguments, with placeholders.
        inputs: Files and directories that the command reads.
        ignored: Words of the command with one of these prefixes do not count.

    Raises:
        FileNotFoundError: An input does not exist.
        ValueError: An input is not finished.
    """
    by_path = {str(path): input_digest(path) for path in inputs}
    words = command_digest_words(command, ignored)
    text = json.dumps({"command": words, "inputs": by_path}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest(), by_path


def _file_digest(path: Path) -> str:
    with open(path, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size <= _SMALL_FILE:
            return hashlib.sha256(file.read()).hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()
