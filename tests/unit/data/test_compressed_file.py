"""Compressed files under plain names: the program is named, whatever should read them."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pytest

from speechmoe_espnet.data.audio import read_audio
from speechmoe_espnet.data.text_file import read_text


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", content)
    return file.getvalue()


PACKERS = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zip": zipped,
    "zstd": lambda content: b"\x28\xb5\x2f\xfd" + content,
}


@pytest.mark.parametrize("name", PACKERS)
def test_files_that_a_program_compressed(name: str, tmp_path: Path) -> None:
    content = PACKERS[name](b"RIFF a b c\n" * 20)
    for file, read in (("a.wav", read_audio), ("lm.arpa", read_text)):
        (tmp_path / file).write_bytes(content)
        with pytest.raises(ValueError, match=f"is compressed by {name}; unpack it by `"):
            read(tmp_path / file)
    (tmp_path / "a.gz").write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=f"a.gz: is compressed by {name}; .*, once more"):
        read_text(tmp_path / "a.gz")


@pytest.mark.parametrize("text", ["BZh", "BZh91 is a name\n", "PK", "(\n"])
def test_text_that_begins_alike(text: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(text)
    assert read_text(tmp_path / "a") == text
