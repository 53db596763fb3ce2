"""Checksums of files that are used as they were made: a flipped bit is an error, not a result.

A directory that a command writes for others (a decoding graph) has a file SHA256SUMS, which
`sha256sum --check` reads, too. The files of a finished stage are in its own record.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.data.placeholder import refuse_placeholder_file
from speechmoe_espnet.pipeline.digests import FILES, ChangedError, check_file

SUMS = "SHA256SUMS"


def file_sha256(path: Path) -> str:
    """Digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksums(directory: Path, names: Sequence[str]) -> None:
    """Write the checksums of files of a directory, beside them.

    Args:
        directory: The directory.
        names: Names of the files, without folders.
    """
    lines = [f"{file_sha256(directory / name)}  {name}\n" for name in names]
    (directory / SUMS).write_text("".join(lines), encoding="utf-8")


def check_checksums(directory: Path, names: Sequence[str], cure: str) -> None:
    """Check files of a directory against its checksums.

    Args:
        directory: The directory.
        names: What `write_checksums` was given.
        cure: What to do about a damaged directory.

    Raises:
        FileNotFoundError: There are no checksums.
        ValueError: A file was changed, or the checksums themselves.
    """
    path = directory / SUMS
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: not complete, or of an earlier version; {cure}")
    for name in (*names, SUMS):
        refuse_placeholder_file(directory / name)
    expected = path.read_bytes().split(b"\n")
    found = [f"{file_sha256(directory / name)}  {name}".encode() for name in names]
    for name, line in zip(names, found, strict=True):
        if line not in expected:
            raise ValueError(
                f"{directory / name}: damaged or changed: its checksum is not in {SUMS}; {cure}"
            )
    if expected != [*found, b""]:
        raise ValueError(f"{path}: damaged or changed; {cure}")


def check_as_made(path: Path) -> None:
    """Refuse a file of a finished stage that was changed since it was made.

    Args:
        path: A file; nothing is done where it is no part of a finished stage.

    Raises:
        ValueError: It was changed.
    """
    refuse_placeholder_file(path)
    try:
        check_file(path)
    except ChangedError as error:
        raise ValueError(
            f"{error}; make it again, or remove {FILES} beside it to use it as it is"
        ) from None
