"""The commands that a grid gives to its recipe, and what it reads back."""

import json
import os
import shlex
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
import fake_experiment
from shell_grid import make_grid

from speechmoe_espnet.grids.grid import Grid, SystemSpec
from speechmoe_espnet.grids.workplace import Workplace

ROOT = Path(__file__).parents[3]
OPTIONS = {"preset": "tiny", "token_type": "syllable_phone"}


@pytest.fixture
def grid(tmp_path):
    plain = make_grid(tmp_path, {"static": SystemSpec(), "on": SystemSpec(init="static")})
    return Grid(**{**vars(plain), "options": OPTIONS})


def options_of(command):
    words = iter(command[1:])
    return {word: next(words) for word in words}


def test_training_and_decoding_of_a_run(grid, tmp_path):
    workplace = Workplace(grid)
    training, decoding = (options_of(line) for line in workplace.commands(grid.runs()[1], 0))
    common = {"--preset": "tiny", "--token-type": "syllable_phone", "--expname": "grid.on.s0"}
    assert common.items() <= training.items()
    assert common.items() <= decoding.items()
    assert (training["--stage"], training["--stop-stage"]) == ("5", "5")
    assert (decoding["--stage"], decoding["--stop-stage"]) == ("8", "11")
    assert training["--asr-args"] == "--seed 0"
    start = tmp_path / "exp/synthetic_tiny/grid.static.s0/valid.loss.ave.pth"
    assert training["--init-param"] == str(start)
    assert decoding["--eval-sets"] == "read"
    written = Path(training["--asr-config"])
    assert yaml.safe_load(written.read_text()) == {"encoder": "speechmoe"}
    before = written.stat().st_mtime_ns
    workplace.commands(grid.runs()[1], 0)
    assert written.stat().st_mtime_ns == before


def test_a_run_may_start_from_some_of_the_parameters(tmp_path):
    systems = {
        "a": SystemSpec(),
        "some": SystemSpec(init="a", init_keys="encoder:encoder"),
    }
    workplace = Workplace(make_grid(tmp_path, systems))
    _, some = workplace.grid.runs()
    start = tmp_path / "exp/synthetic/grid.a.s0/valid.loss.ave.pth:encoder:encoder"
    assert options_of(workplace.commands(some, 0)[0])["--init-param"] == str(start)
    workplace.mark_finished(some)
    assert workplace.is_finished(some)
    systems["some"] = SystemSpec(init="a", init_keys="encoder.embedding:encoder.embedding")
    other = Workplace(make_grid(tmp_path, systems))
    assert not other.is_finished(other.grid.runs()[1])


def test_preparation_makes_a_graph_only_for_a_search_that_needs_it(grid, tmp_path):
    (data,) = Workplace(grid, nj=2).preparation(1, 0)
    assert options_of(data).items() >= {"--stage": "1", "--stop-stage": "4", "--nj": "2"}.items()
    assert "--cluster" not in data
    (data,) = Workplace(grid, cluster=Path("c.yaml")).preparation(32, 0)
    told = options_of(data)
    assert told["--cluster"] == str(Path.cwd() / "c.yaml")
    assert told["--nj"] == "1"
    (tmp_path / "decode_wfst.yaml").write_text("method: wfst\n")
    wfst = Grid(**{**vars(grid), "decode_config": tmp_path / "decode_wfst.yaml"})
    _, graph = Workplace(wfst).preparation(1, 0)
    assert options_of(graph).items() >= {"--stage": "6", "--stop-stage": "7"}.items()


def test_every_option_is_one_of_the_recipe(grid):
    text = (ROOT / "utils/recipe_options.sh").read_text()
    workplace = Workplace(grid)
    commands = [*workplace.preparation(1, 0), *workplace.commands(grid.runs()[1], 0)]
    for name in {name for command in commands for name in options_of(command)}:
        assert f"declare_option {name[2:].replace('-', '_')} " in text, shlex.quote(name)


def test_reads_the_finished_runs(grid, tmp_path):
    workplace = Workplace(grid)
    assert workplace.finished_runs() == []
    fake_experiment.make_references(tmp_path / "dump", ["read"], num_utts=4)
    fake_experiment.make_experiment(
        tmp_path / "exp/synthetic_tiny/grid.static.s0", tmp_path / "dump", ["read"], error_rate=0.2
    )
    static, on = grid.runs()
    workplace.mark_finished(static)
    (finished,) = workplace.finished_runs()
    assert (finished.system, finished.seed, dict(finished.settings)) == ("static", 0, {})
    assert finished.outcome.sets["read"].counts.num_utts == 4
    workplace.mark_finished(on)
    with pytest.raises(FileNotFoundError, match=r"grid\.on\.s0"):
        workplace.finished_runs()


def test_what_another_grid_did_in_the_same_way_is_not_done_again(tmp_path):
    systems = {"a": SystemSpec(), "b": SystemSpec(set={"x": 1}), "on": SystemSpec(init="a")}
    first = make_grid(tmp_path, {"first": systems["a"]})
    first = Workplace(Grid(**{**vars(first), "name": "first"}))
    workplace = Workplace(make_grid(tmp_path, systems))
    a, b, on = workplace.grid.runs()
    fake_experiment.make_references(tmp_path / "dump", ["read"], num_utts=4)
    fake_experiment.make_experiment(
        tmp_path / "exp/synthetic/first.first.s0", tmp_path / "dump", ["read"], error_rate=0.2
    )
    assert workplace.home(a) is None
    first.mark_finished(first.grid.runs()[0])
    assert [workplace.home(run) for run in (a, b, on)] == ["first.first.s0", None, None]
    (finished,) = workplace.finished_runs()
    assert (finished.system, finished.name) == ("a", "first.first.s0")
    start = options_of(workplace.commands(on, 0)[0])["--init-param"]
    assert start == str(tmp_path / "exp/synthetic/first.first.s0/valid.loss.ave.pth")
    workplace.mark_finished(a)
    assert workplace.home(a) == a.experiment


@pytest.mark.parametrize("difference", ["seeds", "sets", "options", "experiment"])
def test_another_grid_that_differs_is_no_help(difference, tmp_path):
    plain = make_grid(tmp_path, {"a": SystemSpec()})
    changes = {"seeds": (1,), "sets": ["chat"], "options": OPTIONS}
    changed = {difference: changes[difference]} if difference in changes else {}
    first = Workplace(Grid(**{**vars(plain), **changed, "name": "first"}))
    first.mark_finished(first.grid.runs()[0])
    if difference != "experiment":
        (tmp_path / "exp/synthetic" / first.grid.runs()[0].experiment).mkdir(parents=True)
    workplace = Workplace(plain)
    assert not workplace.is_finished(workplace.grid.runs()[0])


def trained_alike(folder, change=None):
    """Return the workplaces of two grids, of which the first has trained; the second differs."""
    plain = make_grid(folder, {"a": SystemSpec()})
    first = Workplace(Grid(**{**vars(plain), "name": "first"}))
    (run,) = first.grid.runs()
    experiment = first.experiments / run.experiment
    (experiment / "decode_ctc_greedy").mkdir(parents=True)
    (experiment / "1epoch.pth").write_text("parameters")
    (experiment / "latest.pth").symlink_to("1epoch.pth")
    (experiment / ".done.json").write_text(json.dumps({"content": "first"}))
    first.mark_finished(run)
    return first, Workplace(Grid(**{**vars(plain), **(change or {"sets": ["chat"]})}))


def test_what_another_grid_trained_alike_is_copied_without_its_decodings(tmp_path):
    first, second = trained_alike(tmp_path)
    (run,) = second.grid.runs()
    assert not second.is_finished(run)
    assert second.trained_as(run) == "first.a.s0"
    assert not (second.experiments / run.experiment).exists()
    assert second.take_training(run) == "first.a.s0"
    own = second.experiments / "grid.a.s0"
    names = [".done.json", "1epoch.pth", "latest.pth"]
    assert sorted(path.name for path in own.iterdir()) == names
    assert os.readlink(own / "latest.pth") == "1epoch.pth"
    assert sorted(path.name for path in second.experiments.iterdir()) == ["first.a.s0", own.name]
    (own / "decode_ctc_greedy").mkdir()
    assert second.take_training(run) == "first.a.s0"
    assert (own / "decode_ctc_greedy").is_dir()
    (first.experiments / "first.a.s0" / "decode_ctc_greedy").rmdir()
    second.mark_finished(run)
    assert second.home(run) == "grid.a.s0"


@pytest.mark.parametrize("mark", [None, "another"])
def test_a_run_that_has_begun_keeps_its_own_training(mark, tmp_path):
    _, second = trained_alike(tmp_path)
    (run,) = second.grid.runs()
    own = second.experiments / run.experiment
    own.mkdir()
    if mark is not None:
        (own / ".done.json").write_text(json.dumps({"content": mark}))
    before = sorted(path.name for path in own.iterdir())
    assert second.take_training(run) is None
    assert sorted(path.name for path in own.iterdir()) == before


@pytest.mark.parametrize(
    "change",
    [{"seeds": (1,)}, {"options": OPTIONS}, {"systems": {"a": SystemSpec(set={"x": 1})}}],
    ids=lambda change: next(iter(change)),
)
def test_a_training_that_differs_is_not_copied(change, tmp_path):
    _, second = trained_alike(tmp_path, change)
    assert second.take_training(second.grid.runs()[0]) is None


def test_what_a_training_starts_from_is_part_of_it(tmp_path):
    systems = {"a": SystemSpec(), "on": SystemSpec(init="a")}
    first, second = (make_grid(tmp_path, systems) for _ in range(2))
    first = Workplace(Grid(**{**vars(first), "name": "first"}))
    _, on = first.grid.runs()
    experiment = first.experiments / on.experiment
    experiment.mkdir(parents=True)
    (experiment / ".done.json").write_text(json.dumps({"content": "first"}))
    first.mark_finished(on)
    alike = Workplace(Grid(**{**vars(second), "sets": ["chat"]}))
    assert alike.take_training(alike.grid.runs()[1]) == "first.on.s0"
    systems["a"] = SystemSpec(set={"x": 1})
    other = Workplace(Grid(**{**vars(second), "systems": systems, "name": "other"}))
    assert other.take_training(other.grid.runs()[1]) is None


def test_a_base_of_its_own_is_among_the_settings(grid, tmp_path):
    (tmp_path / "moe.yaml").write_text("encoder: speechmoe\n")
    spec = SystemSpec(base=tmp_path / "moe.yaml", set={"a.b": 1})
    other = Grid(**{**vars(grid), "systems": {"moe": spec}})
    fake_experiment.make_references(tmp_path / "dump", ["read"], num_utts=4)
    fake_experiment.make_experiment(
        tmp_path / "exp/synthetic_tiny/grid.moe.s0", tmp_path / "dump", ["read"], error_rate=0.2
    )
    workplace = Workplace(other)
    workplace.mark_finished(other.runs()[0])
    (finished,) = workplace.finished_runs()
    assert dict(finished.settings) == {"base": "moe.yaml", "a.b": 1}


def test_a_decoding_is_named_as_the_recipe_names_it(grid, tmp_path):
    (tmp_path / "decode_wfst.yaml").write_text("method: wfst\n")
    values = {**vars(grid), "decode_config": tmp_path / "decode_wfst.yaml"}
    for options, name in (
        ({}, "wfst"),
        ({"lm_order": 3}, "wfst_lm3"),
        ({"lm_prune": 1e-05, "tune": "false"}, "wfst_lm5_prune1e-05_untuned"),
        ({"inference_model": "valid.loss.best.pth"}, "wfst_valid.loss.best"),
    ):
        assert Workplace(Grid(**{**values, "options": options})).decoding == name
