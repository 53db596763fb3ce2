"""Reader of UTF-8 text files; errors name file and line."""

from pathlib import Path


def read_text(path: Path) -> str:
    """Read a UTF-8 file, with or without a byte order mark.

    Raises:
        FileNotFoundError: There is no such file; the message names it.
        ValueError: A line is not UTF-8; the message starts with `file:line`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        column = len(before) - (before.rfind(b"\n") + 1)
        raise ValueError(
            f"{path}:{before.count(b'\n') + 1}: not UTF-8 at byte {column}; "
            f"convert the file, e.g. `iconv -f GB18030 -t UTF-8`"
        ) from None
