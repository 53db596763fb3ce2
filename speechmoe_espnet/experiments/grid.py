"""Experiment grids in YAML: which systems are trained, with which settings and seeds.

Everything that must be equal for all systems is written once; a system says only in what it
differs. So a reader sees from the file whether a comparison is fair.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import yaml

DEV = "dev"
FOLDER = "experiments"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,23}")
_EXPERIMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}")  # what a recipe's --expname takes
_REFUSED_OPTIONS = frozenset(
    {"stage", "stop_stage", "expname", "asr_config", "asr_args", "init_param", "model_dir"}
    | {"decode_config", "ngpu", "nj", "num_threads"}
)
"""Options of the recipe that the runner sets itself."""

type Settings = Mapping[str, Any]
"""Values by dotted key of a training configuration, as `optim_conf.lr`."""


@dataclass(frozen=True)
class SystemSpec:
    """A system of a grid.

    Attributes:
        base: Training configuration it starts from; None: the grid's.
        set: What it changes there, beyond the grid's own `set`.
        axes: Values by dotted key; every combination is trained.
        init: System whose trained parameters, of the same seed, it starts from; None: from
            scratch.
    """

    base: Path | None = None
    set: Settings = field(default_factory=dict)
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    init: str | None = None


@dataclass(frozen=True)
class Run:
    """One training with its decoding.

    Attributes:
        system: Name of its system.
        point: Values on the system's axes, empty where it has none.
        seed: Seed of the training.
        experiment: Name of its experiment directory.
        base: Training configuration it starts from.
        settings: What it changes there.
        init: The experiment it starts from, or None.
    """

    system: str
    point: Settings
    seed: int
    experiment: str
    base: Path
    settings: Settings
    init: str | None

    @property
    def label(self) -> str:
        """System and point, for tables: runs of one label differ in the seed alone."""
        values = ", ".join(f"{_short(key)}={value}" for key, value in self.point.items())
        return f"{self.system} ({values})" if values else self.system

    def config(self) -> dict[str, Any]:
        """Return the training configuration.

        Raises:
            FileNotFoundError: The base does not exist.
            ValueError: A key leads through something that is no mapping.
        """
        config = _mapping(self.base)
        for key, value in self.settings.items():
            *parents, last = key.split(".")
            place = config
            for parent in parents:
                place = place.setdefault(parent, {})
                if not isinstance(place, dict):
                    raise ValueError(f"{self.base}: {key}: {parent} is no mapping but {place!r}")
            place[last] = value
        return config


@dataclass(frozen=True)
class Grid:
    """A grid, checked.

    Attributes:
        name: Name of the file without its ending; begins the names of its experiments.
        recipe: Directory of the recipe, which holds the file in its folder `experiments`.
        description: What it is to find out.
        base: Training configuration of all systems, relative to the top of the repository.
        systems: The systems by name.
        seeds: Seeds of the trainings.
        sets: Sets that are decoded and scored: evaluation sets, or `dev` alone.
        decode_config: How, relative to the top of the repository.
        options: Options of the recipe by name, such as `preset`, in all stages.
        set: What all systems change in their configuration.
        axes: Values by dotted key for every system, as SystemSpec.axes.
        control: System that the others are compared with; None: no comparison.

    Raises:
        ValueError: Something is missing, unknown, contradictory, or would tune on evaluation
            sets.
    """

    name: str
    recipe: Path
    description: str
    base: Path
    systems: Mapping[str, SystemSpec]
    seeds: Sequence[int]
    sets: Sequence[str]
    decode_config: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    set: Settings = field(default_factory=dict)
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    control: str | None = None

    def __post_init__(self) -> None:
        if not self.systems:
            raise ValueError("systems: there is none")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds: expected different ones, got {list(self.seeds)}")
        for name in (self.name, *self.systems):
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"a name has up to 24 letters, digits and any of _+- , got {name!r}"
                )
        if self.control is not None and self.control not in self.systems:
            raise ValueError(f"control: {self.control!r} is not one of {list(self.systems)}")
        if DEV in self.sets and len(self.sets) > 1:
            raise ValueError(f"sets: dev is decoded alone, not with others: {list(self.sets)}")
        if not self.sets:
            raise ValueError("sets: there is none; name evaluation sets, or dev")
        tuned = sorted({*self.axes, *(key for spec in self.systems.values() for key in spec.axes)})
        if tuned and list(self.sets) != [DEV]:
            raise ValueError(
                f"axes ({', '.join(tuned)}) search for the best settings, which evaluation sets "
                f"are not for: write `sets: [dev]`, got {list(self.sets)}"
            )
        refused = sorted(_REFUSED_OPTIONS & set(self.options))
        if refused:
            raise ValueError(f"options: {', '.join(refused)} are set for each run; remove them")
        for name, spec in self.systems.items():
            self._check_init(name, spec)
        self._check_names()

    def _check_init(self, name: str, spec: SystemSpec) -> None:
        seen = [name]
        while spec.init is not None:
            if spec.init not in self.systems:
                raise ValueError(
                    f"systems: {name}: init: {spec.init!r} is not one of {list(self.systems)}"
                )
            if spec.init in seen:
                raise ValueError(f"systems: {name}: init goes round: {' <- '.join(seen)}")
            seen.append(spec.init)
            spec = self.systems[spec.init]
            if spec.axes or self.axes:
                raise ValueError(
                    f"systems: {name}: init: {seen[-1]} has axes, hence is not one training"
                )

    def _check_names(self) -> None:
        names = [run.experiment for run in self.runs()]
        for name in names:
            if not _EXPERIMENT.fullmatch(name):
                raise ValueError(
                    f"an experiment's name has up to 40 letters, digits and any of _.+- , got "
                    f"{name!r}; shorten the names of grid, system or settings"
                )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two runs would be called {', '.join(twice)}")

    def runs(self) -> list[Run]:
        """List the runs, all systems of one seed before the next seed."""
        return [
            self._run(name, point, seed)
            for seed in self.seeds
            for name, spec in self.systems.items()
            for point in _points({**self.axes, **spec.axes})
        ]

    def _run(self, name: str, point: Settings, seed: int) -> Run:
        spec = self.systems[name]
        parts = [self.name, name, *(f"{_short(key)}{value}" for key, value in point.items())]
        return Run(
            system=name,
            point=point,
            seed=seed,
            experiment=".".join([*parts, f"s{seed}"]),
            base=spec.base or self.base,
            settings={**self.set, **spec.set, **point},
            init=None if spec.init is None else f"{self.name}.{spec.init}.s{seed}",
        )

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a grid.

        Args:
            path: A YAML file in the folder `experiments` of a recipe.

        Raises:
            FileNotFoundError: The file, or one it names, does not exist.
            ValueError: It is not a grid; the message names the file.
        """
        path = Path(path)
        content = _mapping(path)
        folder = path.resolve().parent
        if folder.name != FOLDER:
            raise ValueError(f"{path}: a grid lies in the folder {FOLDER} of a recipe")
        recipe = folder.parent
        top = recipe.parents[2]
        try:
            grid = cls(**_arguments(content, path.stem, recipe, top))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from None
        for run in grid.runs():
            run.config()
        if not grid.decode_config.is_file():
            raise FileNotFoundError(f"{path}: decode_config: there is no {grid.decode_config}")
        return grid


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
        arguments[key] = _typed(content.get(key) or {}, dict, key)
    for key in ("seeds", "sets"):
        arguments[key] = _typed(content[key], list, key)
    if not all(isinstance(seed, int) and seed >= 0 for seed in arguments["seeds"]):
        raise ValueError(f"seeds: expected numbers from 0, got {arguments['seeds']}")
    _check_axes(arguments["axes"], "axes")
    systems = arguments["systems"].items()
    arguments["systems"] = {str(name): _system(str(name), spec, top) for name, spec in systems}
    return arguments


def _system(name: str, content: Any, top: Path) -> SystemSpec:
    place = f"systems: {name}"
    content = dict(_typed(content or {}, dict, place))
    _check_keys(content, {item.name for item in fields(SystemSpec)}, place)
    for key in ("set", "axes"):
        content[key] = _typed(content.get(key) or {}, dict, f"{place}: {key}")
    _check_axes(content["axes"], f"{place}: axes")
    if "base" in content:
        content["base"] = _path(top, content["base"], f"{place}: base")
    return SystemSpec(**content)


def _points(axes: Mapping[str, Sequence[Any]]) -> Iterator[Settings]:
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _short(key: str) -> str:
    return key.rpartition(".")[2]


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


def _typed[T](value: Any, kind: type[T], place: str) -> T:
    if not isinstance(value, kind):
        raise ValueError(f"{place}: expected a {kind.__name__}, got {value!r}")
    return value


def _path(top: Path, value: Any, place: str) -> Path:
    path = top / _typed(value, str, place)
    if not path.is_file():
        raise ValueError(f"{place}: there is no file {path}")
    return path


def _mapping(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML: {error}") from None
    return dict(_typed(content, dict, str(path)))
