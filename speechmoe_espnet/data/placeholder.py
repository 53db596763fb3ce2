"""Placeholders that copies and downloads leave in the place of a file of any kind.

A clone without Git LFS holds pointers, three lines of text with the name of the file. A download
that failed holds a page of a web site. The reader of each format would call them damaged, which is
true and no help.
"""

import os
from pathlib import Path

PLACEHOLDER_BYTES = 64
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GIT_LFS = b"version https://git-lfs"
_PAGES = (b"<!doctype html", b"<html")


def refuse_placeholder(content: bytes, path: str | Path) -> None:
    """Refuse the content of a file that only stands in for it.

    Args:
        content: The file, or at least its first `PLACEHOLDER_BYTES`.
        path: Its name in messages.

    Raises:
        ValueError: It is a pointer of Git LFS or a page of a web site.
    """
    if reason := placeholder(content):
        raise ValueError(f"{path}: {reason}")


def refuse_placeholder_file(path: str | Path) -> None:
    """Refuse a file that only stands in for another; nothing is done where there is none.

    Args:
        path: A file of any kind, or text that names none.

    Raises:
        OSError: The file cannot be read.
        ValueError: As `refuse_placeholder`.
    """
    # Unlike pathlib's, this is False for text that no file can be named by.
    if os.path.isfile(path):
        with open(path, "rb") as file:
            refuse_placeholder(file.read(PLACEHOLDER_BYTES), path)


def placeholder(content: bytes) -> str:
    """Say what stands in the place of a file, and the cure; empty where it is the file.

    Args:
        content: As in `refuse_placeholder`.
    """
    begin = content[:PLACEHOLDER_BYTES].removeprefix(BYTE_ORDER_MARK).lstrip()
    if begin.startswith(_GIT_LFS):
        return "a pointer of Git LFS, not the file itself; run `git lfs pull`"
    if begin.lower().startswith(_PAGES):
        return "a page of a web site, not the file itself; download it again"
    return ""
