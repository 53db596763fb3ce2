"""A folder of one's own: a trained model takes its new characters and trains on."""

import json
import shutil
from pathlib import Path

import torch
from project import Project

NEW = "嗲"
"""Its syllable, dia3, is in no text of the tiny run."""


def own_folder(project: Project, folder: Path) -> Path:
    """Make twelve short recordings with transcripts out of the synthetic ones."""
    data = project.recipe_dir() / "data/synthetic_tiny/train"
    tables = [
        dict(line.split(maxsplit=1) for line in (data / name).read_text("utf-8").splitlines())
        for name in ("wav.scp", "text")
    ]
    folder.mkdir()
    for number, (name, wav) in enumerate(sorted(tables[0].items())[:12]):
        shutil.copy(project.recipe_dir() / wav, folder / f"{number:02}.wav")
        (folder / f"{number:02}.txt").write_text(f"{tables[1][name]}，{NEW}！\n", encoding="utf-8")
    return folder


def start_options(project: Project, folder: Path) -> tuple[str | Path, ...]:
    """Return the options of a short training on the folder, from the model of the tiny run."""
    model = project.recipe_dir() / "exp/synthetic_tiny/tiny"
    args = ("--asr-args", "--max_epoch 1 --num_iters_per_epoch 2 --optim_conf lr=0.00001")
    return ("--corpus-dir", folder, "--init-model", model, "--num-threads", "1", *args)


def test_a_model_trains_on_with_the_characters_of_a_folder(
    tiny_run: Project, tmp_path: Path
) -> None:
    folder = own_folder(tiny_run, tmp_path / "mine")
    options = (*start_options(tiny_run, folder), "--stop-stage", "5", "--nj", "1")
    output = tiny_run.run_recipe(*options, name="voice")
    assert "test and dev: held out of 12 utterances, by utterances" in output
    recipe = tiny_run.recipe_dir("voice")
    start, exp = recipe / "exp/folder/start_tiny", recipe / "exp/folder/finetune_tiny"
    log = (exp / "train.log").read_text()
    assert "new tokens begin as the old ones like them" in log
    assert "init_param: not" not in log
    (units,) = (recipe / "units/folder").iterdir()
    old, new = (
        path.read_text("utf-8").split() for path in (start / "tokens.txt", units / "tokens.txt")
    )
    assert new[: len(old) - 1] == old[:-1]
    assert len(new) > len(old)
    states = [torch.load(path / "valid.loss.ave.pth") for path in (start, exp)]
    rows = [state["ctc.ctc_lo.weight"] for state in states]
    assert [len(row) for row in rows] == [len(old), len(new)]
    # Two steps at a rate of 1e-5 leave the old rows where they were, and not by chance.
    torch.testing.assert_close(rows[1][: len(old) - 1], rows[0][:-1], atol=1e-3, rtol=0)
    assert torch.equal(states[0]["normalize.mean"], states[1]["normalize.mean"])
    assert len((exp / "train_stats.jsonl").read_text().splitlines()) == 1
    assert json.loads((start / "origin.json").read_text())["model"] == "tiny"
    assert "making" not in tiny_run.run_recipe(*options, name="voice")
