"""Files that tables of a training name: absent ones and stand-ins are told before it begins."""

from argparse import Namespace
from pathlib import Path

import pytest
from damage import LFS, PAGE

from speechmoe_espnet.espnet.data_sources import TABLES_OF_FILES, check_sources


def check(table: Path, kind: str) -> None:
    check_sources(Namespace(train_data_path_and_name_and_type=[(str(table), "speech", kind)]))


@pytest.mark.parametrize("kind", sorted(TABLES_OF_FILES))
def test_what_is_not_there_is_named(tmp_path: Path, kind: str) -> None:
    table, file = tmp_path / "feats.scp", tmp_path / "a.ark"
    file.write_bytes(b"x" * 100)
    table.write_text(f"a {file}\nb {file}:20\nc {file} {file}\n")
    check(table, kind)
    for location in (f"{tmp_path}/missing", f"{tmp_path}/missing:3", "\u2028", str(tmp_path)):
        table.write_text(f"a {file}\nb {location}\n", encoding="utf-8")
        with pytest.raises(FileNotFoundError, match=f"^{table}: b: there is no file"):
            check(table, kind)


@pytest.mark.parametrize(("content", "cure"), [(LFS, "git lfs pull"), (PAGE, "download it again")])
def test_what_stands_in_for_a_file_is_named(tmp_path: Path, content: bytes, cure: str) -> None:
    table, file = tmp_path / "feats.scp", tmp_path / "a.ark"
    file.write_bytes(content)
    table.write_text(f"a {file}:12\n")
    with pytest.raises(ValueError, match=f"^{table}: a: {file}: .*{cure}"):
        check(table, "kaldi_ark")
