"""Imports go one way, and commands that need no model start without ESPnet and torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "speechmoe_espnet"
FORBIDDEN = {
    "moe": (
        "espnet2",
        "speechmoe_espnet.encoder",
        "speechmoe_espnet.model",
        "speechmoe_espnet.data",
    ),
    "encoder": (
        "speechmoe_espnet.model",
        "speechmoe_espnet.data",
        "speechmoe_espnet.corpora",
        "speechmoe_espnet.decode",
        "speechmoe_espnet.scoring",
        "speechmoe_espnet.bin",
    ),
    "data": (
        "espnet2",
        "speechmoe_espnet.model",
        "speechmoe_espnet.bin",
        "speechmoe_espnet.scoring",
    ),
    "augment": (
        "speechmoe_espnet.model",
        "speechmoe_espnet.encoder",
        "speechmoe_espnet.data",
        "speechmoe_espnet.bin",
    ),
    "corpora": ("espnet2", "torch", "speechmoe_espnet.model", "speechmoe_espnet.bin"),
    "scoring": ("espnet2", "torch", "speechmoe_espnet.model", "speechmoe_espnet.bin"),
    "experiments": ("espnet2", "torch", "speechmoe_espnet.model", "speechmoe_espnet.bin"),
    "lm": ("espnet2", "torch", "speechmoe_espnet.model", "speechmoe_espnet.bin"),
    "decode": (
        "espnet2",
        "speechmoe_espnet.model",
        "speechmoe_espnet.encoder",
        "speechmoe_espnet.task",
        "speechmoe_espnet.scoring",
        "speechmoe_espnet.bin",
    ),
}
LIGHT = (
    *("prepare_corpus", "validate_data_dir", "make_units", "train_ngram", "make_lexicon"),
    *("make_graph", "make_lm_data", "describe_decoding", "tune", "score", "report", "stage"),
    "experiment",
)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_go_one_way(folder):
    files = sorted((PACKAGE / folder).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in files
        for name in imports(path)
        for prefix in FORBIDDEN[folder]
        if name == prefix or name.startswith(f"{prefix}.")
    ]
    assert wrong == []


@pytest.mark.parametrize("command", LIGHT)
def test_light_commands_import_neither_espnet_nor_torch(command):
    code = (
        f"import sys, speechmoe_espnet.bin.{command} as c; c.get_parser()\n"
        "print([m for m in ('torch', 'espnet2') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, speechmoe_espnet; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_files_stay_small():
    long = {
        str(path.relative_to(PACKAGE)): count
        for path in sorted(PACKAGE.rglob("*.py"))
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert long == {}
