import json
import os
import shutil
from collections import Counter

import fake_experiment
import pytest
import yaml

from speechmoe_espnet.bin import grid
from speechmoe_espnet.grids.grid_file import read_grid
from speechmoe_espnet.grids.workplace import Workplace

SETS = ["read", "chat"]


@pytest.fixture
def grid_file(tmp_path):
    """A grid of two untrained systems in a recipe."""
    (tmp_path / "train.yaml").write_text("encoder: speechmoe\n")
    (tmp_path / "decode_ctc_greedy.yaml").write_text("method: ctc_greedy\n")
    path = tmp_path / "egs/mix/asr1/grids/effect.yaml"
    path.parent.mkdir(parents=True)
    content = {
        "description": "Does it pay?",
        "base": "train.yaml",
        "decode_config": "decode_ctc_greedy.yaml",
        "control": "static",
        "seeds": [0, 1],
        "sets": SETS,
        "systems": {"static": {}, "moe": {"set": {"encoder_conf.num_experts": 8}}},
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.fixture
def finished(grid_file, tmp_path):
    """The same grid with all runs finished except the last."""
    workplace = Workplace(read_grid(grid_file))
    fake_experiment.make_references(tmp_path / "dump", SETS, num_utts=12)
    for run in read_grid(grid_file).runs()[:-1]:
        fake_experiment.make_experiment(
            workplace.experiments / run.experiment,
            tmp_path / "dump",
            SETS,
            error_rate=0.2 if run.system == "static" else 0.1,
            seed=run.seed,
            num_experts=8 if run.system == "moe" else 1,
        )
        workplace.mark_finished(run)
    return workplace.directory


def call(*words):
    return grid.main([str(word) for word in words])


def test_lists_runs_and_trains_nothing(grid_file, finished, capsys):
    assert call(grid_file, "--list") == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == [
        *("effect.static.s0", "effect.moe.s0", "effect.static.s1", "effect.moe.s1")
    ]
    assert [line[-1] for line in lines] == ["finished", "finished", "finished", "to do"]


def test_the_list_names_runs_finished_by_another_grid(grid_file, finished, capsys):
    other = grid_file.with_name("again.yaml")
    other.write_text(grid_file.read_text())
    assert call(other, "--list") == 0
    states = [line.split("\t")[-1] for line in capsys.readouterr().out.splitlines()]
    assert states == [
        *("finished as effect.static.s0", "finished as effect.moe.s0"),
        *("finished as effect.static.s1", "to do"),
    ]


def test_the_list_names_runs_trained_by_another_grid(grid_file, finished, capsys):
    for mark in finished.glob("finished/*.json"):
        (finished.parents[1] / "synthetic" / mark.stem / ".done.json").write_text("{}")
    other = grid_file.with_name("again.yaml")
    grid = yaml.safe_load(grid_file.read_text())
    other.write_text(yaml.safe_dump({**grid, "sets": ["dev"]}, sort_keys=False))
    assert call(other, "--list") == 0
    states = [line.split("\t")[-1] for line in capsys.readouterr().out.splitlines()]
    runs = ("static.s0", "moe.s0", "static.s1")
    assert states == [*(f"to decode, trained as effect.{run}" for run in runs), "to do"]


def test_reports_on_finished_runs(grid_file, finished, tmp_path, capsys):
    results = tmp_path / "RESULTS.md"
    results.write_text("top\n<!-- begin generated: effect -->\n<!-- end generated: effect -->\n")
    assert call(grid_file, "--report", "--results_md", results) == 0
    rows = json.loads((finished / "runs.json").read_text())
    assert [(row["system"], row["seed"]) for row in rows] == [
        *(("static", 0), ("static", 1), ("moe", 0))
    ]
    summary = json.loads((finished / "summary.json").read_text())
    assert set(summary["systems"]) == {"static", "moe"}
    for name in ("loss", "flops", "parameters", "routing", "changes"):
        assert (finished / f"{name}.svg").read_text().startswith("<svg xmlns=")
    assert "Does it pay?" in (finished / "index.html").read_text()
    text = results.read_text()
    assert text.startswith("top\n")
    assert "| moe |" in text
    assert "egs/mix/asr1/grids/effect.yaml" in text
    assert text.count("\n|---") == 1
    assert "](results/effect.md)" in text
    details = (tmp_path / "results" / "effect.md").read_text()
    assert details.startswith("# effect\n\nDoes it pay?\n")
    assert "What the grid set." in details
    assert "| moe |" in capsys.readouterr().out


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_tiny_systems_are_not_compared(grid_file, request, capsys, preset):
    content = yaml.safe_load(grid_file.read_text()) | {"options": {"preset": preset}}
    grid_file.write_text(yaml.safe_dump(content))
    finished = request.getfixturevalue("finished")
    assert call(grid_file, "--report") == 0
    tables = capsys.readouterr().out
    page = (finished / "index.html").read_text()
    is_tiny = preset == "tiny"
    assert ("only shows that all works" in " ".join(tables.split())) == is_tiny
    assert ("only shows that all works" in page) == is_tiny
    assert ("Errors saved" in tables) != is_tiny
    assert ("verdict" in page.partition("<body")[2]) != is_tiny
    assert (finished / "changes.svg").exists() != is_tiny


RECIPE = """#!/bin/sh
# Copies an experiment that is prepared; the first training kills the worker that runs it.
echo "$PPID $*" >>"{folder}/calls"
while [ $# -gt 0 ]; do
    case "$1" in --expname) name="$2" ;; --stage) stage="$2" ;; esac
    shift
done
[ "$stage" = 5 ] || exit 0
[ "$PPID" != "{test}" ] || exit 1
if mkdir "{folder}/died" 2>/dev/null; then kill -9 "$PPID"; sleep 5; exit 1; fi
cp -rT "{folder}/prepared/$name" "{folder}/experiments/$name"
"""


def test_a_cluster_trains_all_runs_though_a_worker_is_killed(grid_file, finished, capsys):
    pytest.importorskip("distributed", reason="needs the extra cluster")
    workplace = Workplace(read_grid(grid_file))
    folder = grid_file.parent
    names = [run.experiment for run in read_grid(grid_file).runs()]
    shutil.rmtree(finished)
    (folder / "prepared").symlink_to(workplace.experiments.rename(folder / "moved"))
    shutil.copytree(folder / "moved/effect.moe.s0", folder / "moved/effect.moe.s1")
    workplace.experiments.mkdir()
    (folder / "experiments").symlink_to(workplace.experiments)
    recipe = workplace.grid.recipe / "run.sh"
    recipe.write_text(RECIPE.replace("{folder}", str(folder)).replace("{test}", str(os.getpid())))
    recipe.chmod(0o700)
    cluster = folder / "cluster.yaml"
    cluster.write_text("parallel:\n  n_workers: 2\n  options: {dashboard_address: ':0'}\n")
    assert call(grid_file, "--cluster", cluster) == 0
    assert "4 of 4 runs done" in capsys.readouterr().out
    calls = [line.split() for line in (folder / "calls").read_text().splitlines()]
    here = [words for words in calls if words[0] == str(os.getpid())]
    assert [words[1:] for words in here] == [
        ["--nj", "1", "--ngpu", "0", "--cluster", str(cluster), "--stage", "1", "--stop-stage", "4"]
    ]
    there = Counter(words[words.index("--expname") + 1] for words in calls if words not in here)
    assert there.keys() == set(names)
    assert sum(there.values()) == 2 * len(names) + 1
    assert (folder / "died").is_dir()


def test_nothing_finished_is_an_error(grid_file, capsys):
    assert call(grid_file, "--report") == 1
    assert "no run is finished" in capsys.readouterr().err


def test_a_results_file_without_the_section_is_an_error(grid_file, finished, tmp_path, capsys):
    (tmp_path / "RESULTS.md").write_text("no markers\n")
    assert call(grid_file, "--report", "--results-md", tmp_path / "RESULTS.md") == 1
    assert "begin generated: effect" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_mistakes_end_with_one_line(grid_file, tmp_path, capsys):
    assert call(tmp_path / "none.yaml", "--list") == 1
    assert "none.yaml" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        call(grid_file, "--jobs", "two")
    assert call(grid_file, "--jobs", "0") == 1
    assert "jobs: 0" in capsys.readouterr().err
