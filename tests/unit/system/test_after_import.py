"""Callbacks after an import: whoever imports, whenever, once."""

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

from speechmoe_espnet.system.after_import import after_import


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    package = tmp_path / "late_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "module.py").write_text("ready = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for module in ("late_package", "late_package.module"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return "late_package.module"


def test_the_callback_comes_once_and_after_the_module(name: str) -> None:
    seen = []
    finders = list(sys.meta_path)
    after_import(name, lambda: seen.append(sys.modules[name].ready))
    importlib.import_module("late_package")
    # Whoever only asks where the module is does not use the callback up.
    assert importlib.util.find_spec(name) is not None
    assert seen == []
    module = importlib.import_module(name)
    assert seen == [True]
    assert sys.meta_path == finders
    importlib.reload(module)
    assert seen == [True]


def test_it_comes_at_once_where_the_module_is_there(name: str) -> None:
    seen = []
    importlib.import_module(name)
    after_import(name, lambda: seen.append(1))
    assert seen == [1]


def test_two_callbacks_may_wait_for_a_module(name: str) -> None:
    seen = []
    after_import(name, lambda: seen.append(1))
    after_import(name, lambda: seen.append(2))
    importlib.import_module(name)
    assert sorted(seen) == [1, 2]


def test_a_module_that_is_nowhere_stays_an_import_error(name: str) -> None:
    after_import("late_package.none", lambda: None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("late_package.none")
