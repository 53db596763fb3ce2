from pathlib import Path

import pytest

from speechmoe_espnet.pipeline.atomic_file import write_text_atomically


def test_the_text_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old and longer")

    write_text_atomically(path, "新\r\n")

    assert path.read_bytes() == "新\r\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    with pytest.raises(UnicodeEncodeError):
        write_text_atomically(path, "half, then a lone surrogate \ud800")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
