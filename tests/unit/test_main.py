"""`python -m speechmoe_espnet COMMAND` runs what `python -m speechmoe_espnet.bin.COMMAND` runs."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from speechmoe_espnet import __main__ as front
from speechmoe_espnet import __version__

BIN = Path(front.bin.__file__).parent
NAMES = sorted(path.stem for path in BIN.glob("*.py") if path.stem != "__init__")


def test_the_list_describes_every_command(capsys):
    assert front.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in NAMES:
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert len(line.split()) > 3


@pytest.mark.parametrize("name", NAMES)
def test_every_file_in_bin_is_a_command(name):
    module = importlib.import_module(f"speechmoe_espnet.bin.{name}")
    assert callable(module.get_parser)
    assert callable(module.main)


def test_a_command_gets_its_arguments_and_its_status_comes_back(tmp_path, capsys):
    assert front.main(["validate", str(tmp_path / "nothing")]) == 1
    assert "nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([], 2, ""),
        (["score_"], 2, "did you mean score?"),
        (["zzz"], 2, "--help lists them"),
    ],
)
def test_mistakes(words, status, message, capsys):
    assert front.main(words) == status
    assert message in capsys.readouterr().err


def test_the_version(capsys):
    assert front.main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_the_list_imports_neither_torch_nor_espnet():
    code = (
        "import sys; from speechmoe_espnet.__main__ import main; main(['--help'])\n"
        "print([m for m in ('torch', 'espnet2') if m in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr.strip() == "[]"
