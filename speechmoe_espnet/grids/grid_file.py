"""Reader of a grid in YAML; an error names the place in the file."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.grids.grid import Grid, SystemSpec, typed

FOLDER = "grids"
MAX_SEEDS = 2**32


def read_grid(path: str | Path) -> Grid:
    """Read a grid.

    A grid that says `extends: OTHER.yaml` takes everything from that grid, which lies beside it
    and may extend another, but its description, and its systems and control where it has systems
    of its own; what it says itself goes before, key by key in `options` and `set`.

    Args:
        path: A YAML file in the folder `grids` of a recipe.

    Raises:
        FileNotFoundError: The file, or one it names, does not exist.
        ValueError: It is not a grid; the message names the file.
    """
    path = Path(path)
    content = _extended(path)
    folder = path.resolve().parent
    if folder.name != FOLDER:
        raise ValueError(f"{path}: a grid lies in the folder {FOLDER} of a recipe")
    recipe = folder.parent
    top = recipe.parents[2]
    try:
        grid = Grid(**_arguments(content, path.stem, recipe, top))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    for run in grid.runs():
        run.config()
    if not grid.decode_config.is_file():
        raise FileNotFoundError(f"{path}: decode_config: there is no {grid.decode_config}")
    return grid


def _extended(path: Path, below: Sequence[Path] = ()) -> dict[str, Any]:
    content = read_mapping(path)
    if "extends" not in content:
        return content
    name = typed(content.pop("extends"), str, f"{path}: extends")
    other = path.parent / name
    if not other.is_file():
        raise ValueError(f"{path}: extends: there is no file {other}")
    if other.resolve() in (path.resolve(), *below):
        raise ValueError(f"{path}: extends: {name} extends this grid itself")
    inherited = _extended(other, (path.resolve(), *below))
    kept = {"description", "systems", "control"} if "systems" in content else {"description"}
    for key in set(inherited) - kept:
        if key in ("options", "set"):
            own = typed(content.get(key) or {}, dict, f"{path}: {key}")
            content[key] = {**typed(inherited[key] or {}, dict, f"{other}: {key}"), **own}
        else:
            content.setdefault(key, inherited[key])
    return content


def _arguments(content: Mapping[str, Any], name: str, recipe: Path, top: Path) -> dict[str, Any]:
    known = {item.name for item in fields(Grid)} - {"name", "recipe"}
    needed = {"description", "base", "systems", "seeds", "sets", "decode_config"}
    _check_keys(content, known, "a grid")
    missing = sorted(needed - set(content))
    if missing:
        raise ValueError(f"{', '.join(missing)} missing")
    arguments = {**content, "name": name, "recipe": recipe}
    for key in ("base", "decode_config"):
        arguments[key] = _path(top, content[key], key)
    for key in ("set", "axes", "options", "systems"):
        arguments[key] = typed(content.get(key) or {}, dict, key)
    arguments["sets"] = typed(content["sets"], list, "sets")
    _check_seeds(arguments["seeds"], "seeds")
    _check_axes(arguments["axes"], "axes")
    systems = arguments["systems"].items()
    arguments["systems"] = {str(name): _system(str(name), spec, top) for name, spec in systems}
    return arguments


def _system(name: str, content: Any, top: Path) -> SystemSpec:
    place = f"systems: {name}"
    content = dict(typed(content or {}, dict, place))
    _check_keys(content, {item.name for item in fields(SystemSpec)}, place)
    for key in ("set", "axes"):
        content[key] = typed(content.get(key) or {}, dict, f"{place}: {key}")
    _check_axes(content["axes"], f"{place}: axes")
    if "seeds" in content:
        _check_seeds(content["seeds"], f"{place}: seeds")
    typed(content.get("init_keys", ""), str, f"{place}: init_keys")
    if "base" in content:
        content["base"] = _path(top, content["base"], f"{place}: base")
    return SystemSpec(**content)


def _check_seeds(seeds: Any, place: str) -> None:
    typed(seeds, list, place)
    if not all(type(seed) is int and 0 <= seed < MAX_SEEDS for seed in seeds):
        raise ValueError(f"{place}: expected whole numbers from 0 to {MAX_SEEDS - 1}, got {seeds}")


def _check_axes(axes: Mapping[str, Any], place: str) -> None:
    for key, values in axes.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"{place}: {key}: expected a list of values, got {values!r}")


def _check_keys(content: Mapping[str, Any], known: set[str], place: str) -> None:
    unknown = sorted(str(key) for key in content if key not in known)
    if unknown:
        raise ValueError(
            f"{place} has no key {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        )


def _path(top: Path, value: Any, place: str) -> Path:
    path = top / typed(value, str, place)
    if not path.is_file():
        raise ValueError(f"{place}: there is no file {path}")
    return path
