"""Grids in YAML: which systems are trained, with which settings and seeds.

Everything that must be equal for all systems is written once; a system says only in what it
differs. So a reader sees from the file whether a comparison is fair.
"""

import copy
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.recipe.recipe_options import DEV

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,23}")
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
        init_keys: Which of them, as what follows the file in ESPnet's `init_param`:
            `src_key:dst_key:exclude_keys`. Empty: all.
        seeds: Those of the grid's seeds that it is trained with; None: all.
    """

    base: Path | None = None
    set: Settings = field(default_factory=dict)
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    init: str | None = None
    init_keys: str = ""
    seeds: Sequence[int] | None = None


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
        init_keys: Which parameters of that, see SystemSpec; empty: all.
    """

    system: str
    point: Settings
    seed: int
    experiment: str
    base: Path
    settings: Settings
    init: str | None
    init_keys: str = ""

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
        config = read_mapping(self.base)
        for key, value in self.settings.items():
            *parents, last = key.split(".")
            place = config
            for parent in parents:
                place = place.setdefault(parent, {})
                if not isinstance(place, dict):
                    raise ValueError(f"{self.base}: {key}: {parent} is no mapping but {place!r}")
            place[last] = copy.deepcopy(value)  # a later key may lead into it
        return config


@dataclass(frozen=True)
class Grid:
    """A grid, checked.

    Attributes:
        name: Name of the file without its ending; begins the names of its experiments.
        recipe: Directory of the recipe, which holds the file in its folder `grids`.
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
        _check_different(self.seeds, "seeds")
        for name in (self.name, *self.systems):
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"a name has up to 24 letters, digits and any of _.+- , got {name!r}"
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
            self._check_seeds(name, spec)
            self._check_init(name, spec)
        self._check_names()

    def _check_seeds(self, name: str, spec: SystemSpec) -> None:
        seeds = self._seeds(spec)
        _check_different(seeds, f"systems: {name}: seeds")
        if not {*seeds} <= {*self.seeds}:
            raise ValueError(
                f"systems: {name}: seeds: expected some of the grid's, {list(self.seeds)}, "
                f"got {list(seeds)}"
            )

    def _check_init(self, name: str, spec: SystemSpec) -> None:
        if spec.init_keys and spec.init is None:
            raise ValueError(f"systems: {name}: init_keys: {spec.init_keys} of no init")
        seen = [name]
        while spec.init is not None:
            if spec.init not in self.systems:
                raise ValueError(
                    f"systems: {name}: init: {spec.init!r} is not one of {list(self.systems)}"
                )
            if spec.init in seen:
                raise ValueError(f"systems: {name}: init goes round: {' <- '.join(seen)}")
            missing = sorted({*self._seeds(spec)} - {*self._seeds(self.systems[spec.init])})
            if missing:
                raise ValueError(
                    f"systems: {seen[-1]}: init: {spec.init} is not trained with seed "
                    f"{', '.join(map(str, missing))}"
                )
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
            if seed in self._seeds(spec)
            for point in _points({**self.axes, **spec.axes})
        ]

    def _seeds(self, spec: SystemSpec) -> Sequence[int]:
        return self.seeds if spec.seeds is None else spec.seeds

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
            init_keys=spec.init_keys,
        )


def _check_different(seeds: Sequence[int], place: str) -> None:
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"{place}: expected different ones, got {list(seeds)}")


def _points(axes: Mapping[str, Sequence[Any]]) -> Iterator[Settings]:
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _short(key: str) -> str:
    return key.rpartition(".")[2]


def typed[T](value: Any, kind: type[T], place: str) -> T:
    """Return a value, or raise ValueError where it is of another type."""
    if not isinstance(value, kind):
        raise ValueError(f"{place}: expected a {kind.__name__}, got {value!r}")
    return value
