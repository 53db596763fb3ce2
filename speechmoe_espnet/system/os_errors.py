"""Words for what the operating system refused: the file first, then what is wrong and the cure."""

import errno
import os

_CURES = {
    errno.ENOTDIR: "a part of this path is a file, not a directory; name another one",
    errno.EISDIR: "is a directory; a file is needed",
    errno.EACCES: "permission denied; see who owns it (ls -l)",
    errno.EROFS: "lies on a disk that can only be read; name another place",
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "your quota of the disk is used up",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "is a link that leads to itself",
}


def in_words(error: OSError) -> str:
    """Return an error of the operating system as `FILE: what is wrong; cure`, without its number.

    An error that code raised with a text of its own keeps it.
    """
    if error.errno is None:
        return str(error)
    name = error.filename
    if name is None:
        return _what(error, "")
    name = os.fsdecode(name) if isinstance(name, bytes) else str(name)  # or of a descriptor
    return f"{name}: {_what(error, name)}"


def _what(error: OSError, name: str) -> str:
    if error.errno == errno.EEXIST and os.path.isfile(name):
        return "exists and is a file; a directory is needed, name another one"
    return _CURES.get(error.errno or 0) or error.strerror or str(error)
