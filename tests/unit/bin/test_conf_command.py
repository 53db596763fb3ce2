from pathlib import Path

import pytest
import yaml

from speechmoe_espnet.bin import conf

ROOT = Path(__file__).parents[3]


def test_the_list_is_the_folder_and_each_path_is_yaml(capsys):
    assert conf.main([]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert {path.name for path in paths} == {path.name for path in (ROOT / "conf").rglob("*.yaml")}
    for path in paths:
        assert yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["train_speechmoe", "train_speechmoe.yaml"])
def test_one_path(name, capsys):
    assert conf.main([name]) == 0
    assert Path(capsys.readouterr().out.strip()) == ROOT / "conf/train_speechmoe.yaml"


@pytest.mark.parametrize(
    ("name", "hint"), [("train_speechmo", "did you mean train_speechmoe?"), ("x", "there are ")]
)
def test_a_name_that_is_none_is_one_line(name, hint, capsys):
    assert conf.main([name]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"conf: error: no configuration '{name}'; {hint}")
    assert error.count("\n") == 1
