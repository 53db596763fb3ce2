"""A grid is what its file says, or an error that names the mistake."""

import itertools

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.grids.grid_file import read_grid

BASE = {"encoder": "speechmoe", "encoder_conf": {"num_experts": 1}, "optim_conf": {"lr": 0.002}}
CONTENT = {
    "description": "Does it pay?",
    "base": "conf/train.yaml",
    "decode_config": "conf/decode_ctc_greedy.yaml",
    "control": "static",
    "seeds": [0, 1],
    "sets": ["read", "chat"],
    "set": {"optim_conf.lr": 0.004},
    "systems": {"static": {}, "moe": {"set": {"encoder_conf.num_experts": 8}}},
}

OWN = dict.fromkeys(CONTENT) | {
    "extends": "whole.yaml",
    "description": "And without the mixture?",
    "systems": {"static": {}},
}
"""A grid that says of itself only what another cannot lend it."""


@pytest.fixture
def write(tmp_path):
    """Write a grid into the folder of a recipe, and return its path."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/train.yaml").write_text(yaml.safe_dump(BASE))
    (tmp_path / "conf/other.yaml").write_text("encoder: other\n")
    (tmp_path / "conf/decode_ctc_greedy.yaml").write_text("method: ctc_greedy\n")
    folder = tmp_path / "egs/mix/asr1/grids"
    folder.mkdir(parents=True)

    def write(name="effect", **changes):
        content = {key: value for key, value in {**CONTENT, **changes}.items() if value is not None}
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    return write


def test_runs_are_systems_by_seeds(write, tmp_path):
    grid = read_grid(write())
    assert grid.recipe == tmp_path / "egs/mix/asr1"
    assert [run.experiment for run in grid.runs()] == [
        *("effect.static.s0", "effect.moe.s0", "effect.static.s1", "effect.moe.s1")
    ]
    static, moe = grid.runs()[:2]
    assert static.config() == {**BASE, "optim_conf": {"lr": 0.004}}
    assert moe.config() == {**static.config(), "encoder_conf": {"num_experts": 8}}
    assert (moe.label, moe.seed, moe.init) == ("moe", 0, None)


def test_axes_are_multiplied_for_every_system(write):
    systems = {"static": {}, "moe": {"axes": {"model_conf.alpha": [0.1, 0.2]}}}
    grid = read_grid(
        write(systems=systems, sets=["dev"], seeds=[0], axes={"optim_conf.lr": [1, 2, 3]})
    )
    points = [(run.system, *run.point.values()) for run in grid.runs()]
    assert points == [
        *(("static", rate) for rate in (1, 2, 3)),
        *(("moe", *pair) for pair in itertools.product((1, 2, 3), (0.1, 0.2))),
    ]
    assert grid.runs()[-1].config()["model_conf"] == {"alpha": 0.2}
    assert grid.runs()[-1].config()["optim_conf"] == {"lr": 3}
    assert grid.runs()[-1].label == "moe (lr=3, alpha=0.2)"


def test_base_and_init_of_one_system(write):
    systems = {"static": {}, "on": {"init": "static", "base": "conf/other.yaml"}}
    runs = read_grid(write(systems=systems)).runs()
    assert [run.init for run in runs] == [None, "effect.static.s0", None, "effect.static.s1"]
    assert runs[1].config() == {"encoder": "other", "optim_conf": {"lr": 0.004}}


def test_a_system_may_have_some_of_the_seeds(write):
    systems = {"static": {}, "wide": {"seeds": [0]}, "on": {"init": "wide", "seeds": [0]}}
    runs = read_grid(write(systems=systems)).runs()
    assert [(run.system, run.seed) for run in runs] == [
        *(("static", 0), ("wide", 0), ("on", 0), ("static", 1))
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": [1]}, "a grid has no key seed"),
        ({"description": None}, "description missing"),
        ({"seeds": [1, 1]}, "seeds: expected different ones"),
        ({"seeds": ["one"]}, "seeds: expected whole numbers"),
        ({"seeds": 3}, "seeds: expected a list"),
        ({"systems": {"static": {"seeds": []}}}, "systems: static: seeds: expected different"),
        ({"systems": {"static": {"seeds": [2]}}}, r"seeds: expected some of the grid's, \[0, 1\]"),
        ({"systems": {"static": {"seeds": 1}}}, "systems: static: seeds: expected a list"),
        (
            {"systems": {"static": {"seeds": [1]}, "on": {"init": "static"}}},
            "systems: on: init: static is not trained with seed 0",
        ),
        ({"control": "none"}, "control: 'none' is not one of"),
        ({"systems": {}}, "systems: there is none"),
        ({"systems": {"a b": {}}}, "got 'a b'"),
        ({"systems": {"static": {"sets": {}}}}, "systems: static has no key sets"),
        ({"systems": {"static": {"init": "gone"}}}, "init: 'gone' is not one of"),
        ({"systems": {"static": {"init_keys": "a:b"}}}, "static: init_keys: a:b of no init"),
        ({"systems": {"a": {}, "static": {"init": "a", "init_keys": 1}}}, "init_keys: expected"),
        ({"systems": {"static": {"init": "b"}, "b": {"init": "static"}}}, "init goes round"),
        ({"sets": []}, "sets: there is none"),
        ({"sets": ["dev", "read"]}, "dev is decoded alone"),
        ({"axes": {"optim_conf.lr": [1, 2]}}, "which evaluation sets are not for"),
        ({"axes": {"optim_conf.lr": 1}, "sets": ["dev"]}, "expected a list of values"),
        ({"axes": {"a.lr": [1], "b.lr": [1, 1]}, "sets": ["dev"]}, "two runs would be called"),
        ({"base": "conf/none.yaml"}, "base: there is no file"),
        ({"decode_config": "conf/none.yaml"}, "decode_config: there is no file"),
        ({"options": {"stage": 3}}, "options: stage are set for each run"),
        ({"set": {"encoder.num_experts": 3}}, "encoder is no mapping but 'speechmoe'"),
        ({"systems": {"static": {}, "s" * 24: {}}, "axes": {"a.b" + "c" * 20: [1]}}, "axes"),
    ],
)
def test_mistakes_are_named(write, changes, message):
    with pytest.raises(ValueError, match=message):
        read_grid(write(**changes))


def test_axes_never_meet_evaluation_sets(write):
    systems = {"static": {}, "moe": {"axes": {"model_conf.alpha": [0.1, 0.2]}}}
    with pytest.raises(ValueError, match=r"write `sets: \[dev\]`, got \['read', 'chat'\]"):
        read_grid(write(systems=systems))


def test_too_long_a_name_is_refused(write):
    with pytest.raises(ValueError, match="shorten the names"):
        read_grid(write("g" * 20, systems={"static": {}, "s" * 24: {}}))


def test_a_file_elsewhere_is_refused(write, tmp_path):
    path = write()
    other = tmp_path / "grid.yaml"
    path.rename(other)
    with pytest.raises(ValueError, match="lies in the folder grids"):
        read_grid(other)
    with pytest.raises(FileNotFoundError):
        read_grid(path)


def test_a_grid_extends_another_key_by_key(write):
    write("whole", options={"preset": "tiny", "seed": 3}, set={"optim_conf.lr": 1, "max_epoch": 9})
    path = write("part", **{**OWN, "options": {"seed": 4}, "set": {"max_epoch": 2}, "seeds": [7]})
    grid = read_grid(path)
    assert (grid.name, grid.control, list(grid.systems)) == ("part", None, ["static"])
    assert grid.options == {"preset": "tiny", "seed": 4}
    assert grid.set == {"optim_conf.lr": 1, "max_epoch": 2}
    assert (grid.seeds, grid.sets) == ([7], CONTENT["sets"])
    assert grid.decode_config.name == "decode_ctc_greedy.yaml"


def test_a_grid_without_systems_has_those_it_extends(write):
    write("whole")
    grid = read_grid(write("part", **{**OWN, "systems": None}))
    assert (grid.name, grid.control, list(grid.systems)) == ("part", "static", ["static", "moe"])


def test_a_grid_extends_one_that_extends_another(write):
    write("whole", set={"optim_conf.lr": 1, "max_epoch": 9})
    write("part", **{**OWN, "set": {"max_epoch": 2}, "seeds": [7]})
    grid = read_grid(write("third", **{**OWN, "extends": "part.yaml", "sets": ["dev"]}))
    assert grid.set == {"optim_conf.lr": 1, "max_epoch": 2}
    assert (grid.seeds, grid.sets, grid.control) == ([7], ["dev"], None)


def test_a_system_changes_a_mapping_of_all_for_itself_alone(write):
    systems = {"static": {"set": {"specaug_conf.b": 2}}, "moe": {}}
    grid = read_grid(write(systems=systems, set={"specaug_conf": {"a": 1}}))
    static, moe = (run.config()["specaug_conf"] for run in grid.runs()[:2])
    assert (static, moe) == ({"a": 1, "b": 2}, {"a": 1})


def test_what_a_grid_cannot_extend_is_named(write):
    path = write("part", **OWN)
    with pytest.raises(ValueError, match=r"extends: there is no file .*whole\.yaml"):
        read_grid(path)
    write("whole", extends="part.yaml")
    with pytest.raises(ValueError, match=r"whole\.yaml: extends: part\.yaml extends this grid"):
        read_grid(path)
    with pytest.raises(ValueError, match=r"part\.yaml: extends: part\.yaml extends this grid"):
        read_grid(write("part", **{**OWN, "extends": "part.yaml"}))
    with pytest.raises(ValueError, match="extends: expected a str"):
        read_grid(write("part", **{**OWN, "extends": 3}))


@given(text=st.text(max_size=80))
def test_whatever_the_file_holds_ends_in_a_named_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "grid.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"grid\.yaml"):
        read_grid(path)
