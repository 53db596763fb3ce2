"""Imports follow the map in CONTRIBUTING; light commands load neither ESPnet nor torch."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "speechmoe_espnet"
HEAVY = {
    **dict.fromkeys(("torch", "torchaudio"), "torch"),
    **dict.fromkeys(("espnet2", "espnet"), "espnet2"),
    **dict.fromkeys(("espnet3", "lightning", "hydra", "omegaconf"), "espnet3"),
}
LIGHT = (
    *("prepare_corpus", "validate", "make_units", "train_ngram", "make_lexicon"),
    *("make_graph", "make_lm_data", "plan", "tune", "score", "report", "stage"),
    *("grid", "side_by_side", "watch_training", "collect_stats"),
)


class Room(NamedTuple):
    """A row of the map: rooms it may import; heavy packages, each with the one file allowed."""

    rooms: frozenset[str]
    heavy: dict[str, str | None]


def read_map():
    found = {}
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|([^|]*)\|$", text, flags=re.MULTILINE)
    for room, imports, heavy in rows:
        packages = re.findall(r"(torch|espnet2|espnet3)(?: \(`([\w/.]+)`\))?", heavy)
        found[room] = Room(
            frozenset(re.findall(r"`(\w+)`", imports)),
            {package: file or None for package, file in packages},
        )
    everywhere = {room for room in found if room != "bin"}
    return {
        room: row._replace(rooms=frozenset(everywhere)) if room == "bin" else row
        for room, row in found.items()
    }


MAP = read_map()


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module == PACKAGE.name:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(room):
    return sorted((PACKAGE / room).rglob("*.py"))


def test_the_map_has_every_room_and_the_root_nothing_else():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert set(MAP) == folders
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("room", MAP)
def test_a_room_imports_the_rooms_it_may(room):
    assert files(room)
    used = {
        name.split(".")[1]: f"{path.relative_to(PACKAGE)}: {name}"
        for path in files(room)
        for name in imports(path)
        if name.startswith(f"{PACKAGE.name}.") and name.split(".")[1] in MAP
    }
    used.pop(room, None)
    assert {name: used[name] for name in set(used) - MAP[room].rooms} == {}
    if room != "bin":
        assert MAP[room].rooms == set(used), "the map names a room that is not used"


@pytest.mark.parametrize("room", MAP)
def test_a_room_loads_the_packages_it_may(room):
    wrong = []
    for path in files(room):
        for name in imports(path):
            package = HEAVY.get(name.split(".")[0])
            allowed = MAP[room].heavy
            if package and (
                package not in allowed
                or (allowed[package] and str(path.relative_to(PACKAGE / room)) != allowed[package])
            ):
                wrong.append(f"{path.relative_to(PACKAGE)}: {name}")
    assert wrong == []


def test_no_two_rooms_import_each_other():
    left = {room: set(row.rooms) for room, row in MAP.items()}
    while left:
        free = {room for room, rooms in left.items() if not rooms & set(left)}
        assert free, f"a cycle among {sorted(left)}"
        left = {room: rooms for room, rooms in left.items() if room not in free}


def test_no_two_files_share_a_name():
    names = Counter(
        path.stem
        for room in MAP
        if room != "bin"
        for path in files(room)
        if path.stem != "__init__"
    )
    assert [name for name, count in names.items() if count > 1] == []


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
