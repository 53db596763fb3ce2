"""What the package imports is what setup.cfg requires, or comes with it."""

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "speechmoe_espnet"
# The requirement that brings each.
COMES_WITH = {
    "distributed": "dask",
    "fastapi": "gradio",
    "hydra": "espnet",
    "markupsafe": "jinja2",
    "omegaconf": "espnet",
    "omniio": "espnet",
    "onnx_ir": "onnxscript",
    "rapidfuzz": "jiwer",
    "scipy": "espnet",
    "typeguard": "espnet",
    "uvicorn": "gradio",
}
# Whoever wants these installs them; an error names the command.
ON_REQUEST = {"dask_kubernetes", "huggingface_hub", "misaki"}
# Rooms that work with an extra alone, so that they may import it at once.
OF_EXTRA = {"corpora": "corpora", "export": "export", "task": "espnet3"}


class Import(NamedTuple):
    """An import of a package of somebody else; at_once: when the module is imported."""

    package: str
    path: Path
    at_once: bool


def imports_of(node: ast.AST, path: Path, at_once: bool = True) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        names: list[str] = []
        if isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            names = [child.module or ""]
        for name in names:
            package = name.split(".")[0]
            if package not in sys.stdlib_module_names and package != PACKAGE.name:
                yield Import(package, path.relative_to(PACKAGE), at_once)
        later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        )
        yield from imports_of(child, path, at_once and not later)


def found_imports() -> list[Import]:
    return [
        one
        for path in sorted(PACKAGE.rglob("*.py"))
        for one in imports_of(ast.parse(path.read_text(encoding="utf-8")), path)
    ]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirements: str) -> set[str]:
    lines = [line.strip() for line in requirements.splitlines()]
    names = [re.match(r"[\w.-]+", line) for line in lines if not line.startswith("#")]
    return {plain(name[0]) for name in names if name}


def declared() -> dict[str, set[str]]:
    """Requirements by extra; "" has those of every installation."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = {name: named(lines) for name, lines in config["options.extras_require"].items()}
    return {"": named(config["options"]["install_requires"]), **extras}


DECLARED = declared()
DISTRIBUTIONS = packages_distributions()


def distributions(package: str) -> set[str]:
    """Names on an index of what a package comes from, or of what brings it."""
    if package in COMES_WITH:
        return {COMES_WITH[package]}
    return {plain(name) for name in DISTRIBUTIONS.get(package, [package])}


def test_every_import_is_required_or_comes_with_what_is() -> None:
    everything = set[str]().union(*DECLARED.values())
    lacking = {
        f"{one.path}: {one.package}"
        for one in found_imports()
        if one.package not in ON_REQUEST and not distributions(one.package) & everything
    }
    assert lacking == set()


def test_what_is_imported_at_once_is_in_every_installation() -> None:
    lacking = set()
    for one in found_imports():
        extra = OF_EXTRA.get(one.path.parts[0])
        allowed = DECLARED[""] | (DECLARED[extra] if extra else set())
        if one.at_once and not distributions(one.package) & allowed:
            lacking.add(f"{one.path}: {one.package}")
    assert lacking == set()


@pytest.mark.parametrize("package", COMES_WITH)
def test_what_comes_with_another_is_required_by_it(package: str) -> None:
    if package not in DISTRIBUTIONS:
        pytest.skip(f"{package} is not installed: the extra of {COMES_WITH[package]} is not")
    brought = {plain(re.match(r"[\w.-]+", line)[0]) for line in requires(COMES_WITH[package]) or ()}
    assert {plain(name) for name in DISTRIBUTIONS[package]} & brought


def test_the_tables_name_what_is_imported() -> None:
    assert {*COMES_WITH, *ON_REQUEST} <= {one.package for one in found_imports()}
