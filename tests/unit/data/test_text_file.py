from pathlib import Path

import pytest

from speechmoe_espnet.data.text_file import read_text


def test_the_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes("\ufeff今天\n好\n".encode())
    assert read_text(tmp_path / "plain") == "今天\n好\n"


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes("今天\nab".encode() + "你".encode("gb18030"))
    with pytest.raises(ValueError, match=r"plain:2: not UTF-8 at byte 2; convert the file"):
        read_text(tmp_path / "plain")
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere"):
        read_text(tmp_path / "nowhere")
