"""The reader of every text file: UTF-8 with or without a byte order mark, any line ends, NFC.

Editors and other systems add a byte order mark, end lines with CR LF, and write é as one character
or as two. Two readers that differ in one of these see two different files. All text that comes from
outside (tables of data directories, lexicons, token lists, word lists, n-gram models, sentences,
configurations, JSON, CSV) is therefore read here.
"""

import gzip
import unicodedata
import zlib
from pathlib import Path

from speechmoe_espnet.data.compressed_file import packed
from speechmoe_espnet.data.placeholder import BYTE_ORDER_MARK, refuse_placeholder

_OTHER_MARKS = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def read_text(path: str | Path, *, nfc: bool = True) -> str:
    """Read a text file.

    Args:
        path: The file; a name that ends in `.gz` is decompressed.
        nfc: Whether to compose characters (Unicode's NFC). Not so for files that name other files
            (configurations, JSON), since a file system tells the two forms apart.

    Returns:
        The text without a byte order mark; its lines end with `\\n`.

    Raises:
        FileNotFoundError: There is no such file; the message names it.
        ValueError: A line is not UTF-8, or the file is not a whole gzip file; the message starts
            with `file:line` or the file.
    """
    path = Path(path)
    return decode_text(read_bytes(path), path, nfc=nfc)


def read_bytes(path: Path) -> bytes:
    """Read the bytes of a text file, decompressed if its name ends in `.gz`.

    Raises:
        FileNotFoundError: There is no such file; the message names it.
        ValueError: The file is not a whole gzip file, stands in its place, or is compressed by
            another program, under another name or twice.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    content = path.read_bytes()
    refuse_placeholder(content, path)
    again = ""
    if path.suffix == ".gz":
        again = ", once more"
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: not a complete gzip file: {error}") from None
    if reason := packed(content):
        raise ValueError(f"{path}: {reason}{again}")
    return content


def decode_text(content: bytes, place: str | Path, *, nfc: bool = True, named: bool = False) -> str:
    """Decode text as `read_text` does.

    Args:
        content: Bytes of a file.
        place: Name of the file in messages.
        nfc: As in `read_text`.
        named: Whether lines begin with an id, which the message then names.

    Raises:
        ValueError: A line is not UTF-8; the message starts with `place:line`.
    """
    if encoding := _OTHER_MARKS.get(content[:2]):
        raise ValueError(
            f"{place}:1: not UTF-8 but {encoding}; convert the file, e.g. "
            f"`iconv -f {encoding} -t UTF-8`"
        )
    content = content.removeprefix(BYTE_ORDER_MARK)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before[before.rfind(b"\n") + 1 :]
        words = line.decode("utf-8").split(maxsplit=1)
        name = f"{words[0] if words else 'id'}: " if named else ""
        raise ValueError(
            f"{place}:{before.count(b'\n') + 1}: {name}not UTF-8 at byte {len(line)}; "
            f"convert the file, e.g. `iconv -f GB18030 -t UTF-8`"
        ) from None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", text) if nfc else text


def read_lines(path: str | Path, *, nfc: bool = True) -> list[str]:
    """Read the lines of a text file, without their ends; see `read_text`.

    Lines end at line ends alone: a line may hold U+2028 and other characters at which
    `str.splitlines` cuts. An end of the last line begins no further line.

    Raises:
        FileNotFoundError, ValueError: As `read_text`.
    """
    return split_lines(read_text(path, nfc=nfc))


def split_lines(text: str) -> list[str]:
    """Cut a text that `read_text` gave into its lines."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines
