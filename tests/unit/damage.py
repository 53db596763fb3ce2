"""Damage of files, drawn by seed: what disks, copies, editors and downloads make of them."""

import random
from collections.abc import Callable
from pathlib import Path

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n"
PAGE = b"<!DOCTYPE html>\n<html><head><title>404</title></head><body>Not found</body></html>\n"
WORDS = (
    *(b"NaN", b"Infinity", b"-Infinity", b".nan", b".inf", b"1e400", b"-1e400", b"-1", b"0", b"-0"),
    *(b"1" * 30, b"9" * 5000, b"1e-400", b"0x10", b"1_0", b"null", b"~", b"true", b"[]", b"{}"),
    *(b"\0", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc3", b"\r\n", b"\n\n", b"\t", b" "),
    *(b"!!python/object:os.system", b"!!int ''", b"!!float x", b"!!timestamp 2000-99-99"),
    *(b"!!bool x", b"!!binary x", b"2001-13-40", b"*a", b"&a ", b"<<: 1", b"? [1]", b"%", b"|"),
    *(b'"', b"'", b",", b":", b"{", b"}", b"[", b"]", b"-", b"\\", b'"a"', b"\\ud800"),
    *(b"../../x", b"/", "²".encode(), "٣".encode(), b"<sil>"),
)
_DEPTH = 20_000


def _flip(data: bytes, draw: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 3, 10))):
        damaged[draw.randrange(len(data))] ^= draw.randrange(1, 256)
    return bytes(damaged)


def _header(data: bytes, draw: random.Random) -> bytes:
    """Another number in a place near the begin, where sizes stand."""
    damaged = bytearray(data)
    number = draw.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80"))
    place = draw.randrange(min(len(data), 128))
    damaged[place : place + draw.choice((1, 2, 4))] = number[: draw.choice((1, 2, 4))]
    return bytes(damaged)


def _cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


def _part(data: bytes, draw: random.Random) -> tuple[int, int]:
    begin = draw.randrange(len(data))
    return begin, begin + draw.randrange(1, min(64, len(data)) + 1)


def _delete(data: bytes, draw: random.Random) -> bytes:
    begin, end = _part(data, draw)
    return data[:begin] + data[end:]


def _repeat(data: bytes, draw: random.Random) -> bytes:
    begin, end = _part(data, draw)
    return data[:end] + data[begin:end] * draw.choice((1, 2, 100)) + data[end:]


def _insert(data: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(data) + 1)
    return data[:place] + draw.randbytes(draw.choice((1, 4, 50))) + data[place:]


def _word(data: bytes, draw: random.Random) -> bytes:
    """A word in the place of another, or between two characters."""
    word = draw.choice(WORDS)
    places = [number for number, byte in enumerate(data) if byte in b" \n\t,:[]{}=\"'"]
    begin = draw.choice(places) + 1 if places and draw.random() < 0.8 else draw.randrange(len(data))
    later = [place for place in places if place >= begin]
    end = later[0] if later and draw.random() < 0.8 else begin
    return data[:begin] + word + data[end:]


def _line(data: bytes, draw: random.Random) -> bytes:
    """A line that is gone, there twice, or in another place."""
    lines = data.splitlines(keepends=True)
    line = lines.pop(draw.randrange(len(lines)))
    for _ in range(draw.choice((0, 1, 2))):
        lines.insert(draw.randrange(len(lines) + 1), line)
    return b"".join(lines)


def _nested(data: bytes, draw: random.Random) -> bytes:
    deep = draw.choice((b"[", b'{"a":', b"{a: ", b"- "))
    place = draw.choice((0, 0, draw.randrange(len(data) + 1)))
    return data[:place] + deep * _DEPTH + data[place:]


def _whole(data: bytes, draw: random.Random) -> bytes:
    """Another file in its place."""
    if draw.random() < 0.4:
        return draw.choice(WORDS)
    return draw.choice((b"", b"\n", LFS, PAGE, draw.randbytes(200), b"\0" * 200, data + data))


KINDS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _flip, _header, _cut, _delete, _repeat, _insert),
    *(_word, _word, _word, _line, _nested, _whole),
)


def damage(data: bytes, draw: random.Random) -> tuple[str, bytes]:
    """Damage the bytes of a file once, or up to three times.

    Returns:
        What was done, and the bytes.
    """
    names = []
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        kind = draw.choice(KINDS) if data else _whole
        names.append(kind.__name__.strip("_"))
        data = kind(data, draw)
    return "+".join(names), data


def folder_in_place(path: Path) -> None:
    """A folder where a file should be."""
    path.unlink()
    path.mkdir()


def missing(path: Path) -> None:
    """No file."""
    path.unlink()


def unreadable(path: Path) -> None:
    """A link to itself: opening it fails, for root too."""
    path.unlink()
    path.symlink_to(path.name)
