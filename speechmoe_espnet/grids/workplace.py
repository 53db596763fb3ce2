"""Directories of a grid, and the recipe's commands for its runs."""

import json
import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from speechmoe_espnet.data.text_file import read_text
from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.espnet.experiment_config import DEFAULT_MODEL_FILE
from speechmoe_espnet.grids.finished import FinishedRun
from speechmoe_espnet.grids.grid import Grid, Run
from speechmoe_espnet.pipeline.atomic_file import write_text_atomically
from speechmoe_espnet.pipeline.digests import DONE, read_mark
from speechmoe_espnet.pipeline.target import copy_target
from speechmoe_espnet.recipe.directories import (
    DEFAULT_ORDER,
    DEFAULT_PRESET,
    DEFAULT_VOICES,
    corpus_name,
    decoding_name,
    ngram_name,
)
from speechmoe_espnet.recipe.find_files import Place
from speechmoe_espnet.recipe.recipe_options import SYNTHETIC
from speechmoe_espnet.results.trained_system import load_system


class Workplace:
    """Directories and commands of a grid.

    Experiments lie where the recipe puts them, `exp/<corpus>/<experiment>`; what belongs to the
    grid alone (configurations, logs, marks, results) in `exp/grids/<grid>`. What another grid of
    the recipe trained, decoded and scored in the same way is taken from there, not done again;
    what it trained alike and decoded otherwise is decoded from a copy.

    Args:
        grid: The grid.
        nj: Processes for data and features.
        cluster: File of a cluster for what all runs share, if any.
    """

    def __init__(self, grid: Grid, nj: int = 1, cluster: Path | None = None) -> None:
        self.grid = grid
        self.nj, self.cluster = nj, cluster
        self.directory = grid.recipe / "exp" / "grids" / grid.name
        self.experiments = grid.recipe / "exp" / _corpus_name(grid.options)
        self.decoding = _decoding_name(grid)

    def log(self, run: Run) -> Path:
        """Return where the output of a run goes."""
        return self.directory / "log" / f"{run.experiment}.log"

    def preparation(self, jobs: int, ngpu: int) -> list[list[str]]:
        """Return the commands whose results all runs share: data to statistics, and the graph."""
        nj = max(jobs, self.nj) if self.cluster is None else self.nj
        common = [*self._recipe(), "--nj", str(nj), "--ngpu", str(ngpu)]
        if self.cluster is not None:
            common += ["--cluster", os.path.abspath(self.cluster)]
        commands = [[*common, "--stage", "1", "--stop-stage", "4"]]
        decoding = DecodeConfig.from_yaml(self.grid.decode_config)
        if decoding.needs_graph or decoding.needs_ngram:
            search = ["--decode-config", str(self.grid.decode_config)]
            commands.append([*common, *search, "--stage", "6", "--stop-stage", "7"])
        return commands

    def commands(self, run: Run, ngpu: int) -> list[list[str]]:
        """Return the commands of a run, whose configuration is written: training, decoding."""
        config = self.directory / "conf" / f"{run.experiment}.yaml"
        _write_config(config, run)
        common = [*self._recipe(), "--expname", run.experiment, "--ngpu", str(ngpu)]
        common += ["--num-threads", "1", "--nj", "1"]
        training = [*common, "--stage", "5", "--stop-stage", "5", "--asr-config", str(config)]
        training += ["--asr-args", f"--seed {run.seed}"]
        if run.init is not None:
            init = self._start_of(run)
            start = str(
                self.experiments / (self.home(init) or init.experiment) / DEFAULT_MODEL_FILE
            )
            training += ["--init-param", f"{start}:{run.init_keys}" if run.init_keys else start]
        decoding = [*common, "--stage", "8", "--stop-stage", "11"]
        decoding += ["--decode-config", str(self.grid.decode_config)]
        decoding += ["--eval-sets", " ".join(self.grid.sets)]
        return [training, decoding]

    def _recipe(self) -> list[str]:
        words = [str(self.grid.recipe / "run.sh")]
        for name, value in self.grid.options.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        return words

    def mark_finished(self, run: Run) -> None:
        """Note that a run has done all that it was asked for."""
        path = self._mark(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        mark = {"digest": self._digest(run), "training": self._digest(run, decoded=False)}
        write_text_atomically(path, json.dumps(mark) + "\n")

    def forget(self, run: Run) -> None:
        """Remove the mark of a run that begins anew, lest another grid takes what it overwrites."""
        self._mark(run).unlink(missing_ok=True)

    def trained_as(self, run: Run) -> str | None:
        """Return the experiment whose training a run has or, where it has not begun, can have.

        That is one of another grid of the recipe with the same configuration, seed, options and
        start; None where there is none, or the run has begun by itself.
        """
        own = self.experiments / run.experiment
        for name in self._elsewhere("training", self._digest(run, decoded=False)):
            mark = read_mark(self.experiments / name / DONE)
            if mark is not None and (not own.exists() or read_mark(own / DONE) == mark):
                return name
        return None

    def take_training(self, run: Run) -> str | None:
        """Copy a training that another grid has done, where there is one, and name it.

        A copy, because decodings lie inside experiments, and those of the other grid stay.
        """
        name = self.trained_as(run)
        if name is not None:
            copy_target(self.experiments / name, self.experiments / run.experiment)
        return name

    def is_finished(self, run: Run) -> bool:
        """Return whether a run, or its equal in another grid, did all that it is asked for now."""
        return self.home(run) is not None

    def home(self, run: Run) -> str | None:
        """Return the experiment that did all that a run is asked for now.

        That is the run's own or, where that has not, one of another grid of the recipe with the
        same configuration, seed, options, sets, decoding and start; None where there is none.
        """
        digest = self._digest(run)
        if _noted_in(self._mark(run), "digest") == digest:
            return run.experiment
        return next(self._elsewhere("digest", digest), None)

    def _elsewhere(self, key: str, digest: str) -> Iterator[str]:
        """Yield the experiments of other grids of the recipe in whose marks a digest is."""
        for mark in sorted(self.directory.parent.glob("*/finished/*.json")):
            if mark.parent.parent == self.directory or _noted_in(mark, key) != digest:
                continue
            if (self.experiments / mark.stem).is_dir():
                yield mark.stem

    def _start_of(self, run: Run) -> Run:
        """Return the run from whose parameters a run starts."""
        (start,) = (item for item in self.grid.runs() if item.experiment == run.init)
        return start

    def finished_runs(self) -> list[FinishedRun]:
        """Read the runs that are finished, in the order of the grid.

        Raises:
            FileNotFoundError: The experiment of a finished run was removed in part.
            ValueError: Something in one is not what the recipe writes.
        """
        homes = [(run, self.home(run)) for run in self.grid.runs()]
        return [self._read(run, home) for run, home in homes if home is not None]

    def _read(self, run: Run, home: str) -> FinishedRun:
        directory = self.experiments / home
        outcome = load_system(run.label, directory, self.decoding, list(self.grid.sets))
        settings = dict(run.settings)
        if run.base != self.grid.base:
            settings = {"base": run.base.name, **settings}
        return FinishedRun(run.label, run.seed, settings, outcome)

    def _mark(self, run: Run) -> Path:
        return self.directory / "finished" / f"{run.experiment}.json"

    def _digest(self, run: Run, *, decoded: bool = True) -> str:
        """Return the digest of all that a run is asked for, or of its training alone."""
        parts: dict[str, Any] = {
            "config": run.config(),
            "seed": run.seed,
            "options": dict(self.grid.options),
        }
        if decoded:
            parts["sets"] = list(self.grid.sets)
            parts["decoding"] = read_text(self.grid.decode_config, nfc=False)
        if run.init is not None:
            parts["init"] = self._digest(self._start_of(run), decoded=decoded)
        if run.init_keys:
            parts["init_keys"] = run.init_keys
        return _digest_of(parts)


def _decoding_name(grid: Grid) -> str:
    options = {name: str(value) for name, value in grid.options.items()}
    ngram = ""
    # What else names a decoding; without it the configuration need not be read here.
    if {"lm_order", "lm_prune", "lm_text", "tune"} & options.keys():
        decoding = DecodeConfig.from_yaml(grid.decode_config)
        if decoding.needs_graph or decoding.needs_ngram:
            place = Place(grid.recipe.parents[2], grid.recipe, Path.cwd())
            texts = [place.find("--lm-text", path) for path in options.get("lm_text", "").split()]
            order = int(options.get("lm_order", DEFAULT_ORDER))
            ngram = ngram_name(order, options.get("lm_prune", ""), texts)
    return decoding_name(
        str(grid.decode_config),
        inference_model=options.get("inference_model", DEFAULT_MODEL_FILE),
        ngram=ngram,
        tune=options.get("tune", "true").lower() == "true",
    )


def _corpus_name(options: Mapping[str, Any]) -> str:
    return corpus_name(
        str(options.get("corpus", SYNTHETIC)),
        str(options.get("preset", DEFAULT_PRESET)),
        int(options.get("seed", 0)),
        voices=str(options.get("voices", DEFAULT_VOICES)),
    )


def _noted_in(mark: Path, key: str) -> str | None:
    return (read_mark(mark) or {}).get(key)


def _digest_of(parts: Mapping[str, Any]) -> str:
    """Return a short string that changes with anything in `parts` (what JSON can hold)."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return sha256(text.encode()).hexdigest()[:16]


def _write_config(path: Path, run: Run) -> None:
    """Write a run's training configuration; a file that says so already keeps its time."""
    head = (
        f"# {run.label}, seed {run.seed}: {run.base.name} with {json.dumps(dict(run.settings))}\n"
    )
    text = head + yaml.safe_dump(run.config(), sort_keys=False, allow_unicode=True)
    if not path.is_file() or read_text(path, nfc=False) != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
