"""A recipe that starts from a trained model: it is unpacked, decoded before, and compared."""

import shutil
from pathlib import Path

import pytest
from fake_recipe import Recipe

START, TUNED = "exp/mine/start_theirs", "exp/mine/finetune_theirs"
CONFIG = """token_type: char
token_list: [<blank>, <unk>, 一, <sos/eos>]
input_size: 40
normalize: null
encoder: speechmoe
encoder_conf: {output_size: 32, dropout_rate: 1.0e-05}
"""


@pytest.fixture
def options(recipe: Recipe, tmp_path: Path) -> tuple[str, ...]:
    theirs, folder = tmp_path / "theirs", tmp_path / "folder"
    theirs.mkdir()
    folder.mkdir()
    (theirs / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (theirs / "fbank.yaml").write_text("num_mel_bins: 40\n")
    (theirs / "valid.loss.ave.pth").write_text("parameters")
    corpus = ("--corpus", "folder", "--corpus-dir", str(folder), "--corpus-name", "mine")
    return (*corpus, "--init-model", str(theirs), "--num-threads", "1")


def test_a_model_is_unpacked_trained_on_and_compared(
    recipe: Recipe, options: tuple[str, ...]
) -> None:
    said = recipe.run(*options, stage=1, last=12)
    assert (recipe.dir / recipe.value(START, "--model")).samefile(options[7])
    assert recipe.value("dump/mine/train", "--config") == f"{START}/fbank.yaml"
    units = recipe.value("exp/mine/" + _stats(recipe), "--units_dir")
    assert "--extend" in recipe.words(units)
    assert recipe.value(units, "--token_list") == f"{START}/tokens.txt"
    words = recipe.words(TUNED)
    assert recipe.value(TUNED, "--init_param") == f"{START}/valid.loss.ave.pth"
    assert recipe.value(TUNED, "--encoder_conf") == "{'output_size': 32, 'dropout_rate': 1e-05}"
    assert words.index("--config") < words.index("--encoder_conf")
    assert recipe.value(TUNED, "--normalize") == "none"
    decoded = [f"{exp}/decode_ctc_greedy" for exp in (START, TUNED)]
    models = [recipe.value(path, "--model_dir") for path in decoded]
    assert models == [START, TUNED]
    for path in decoded:
        assert recipe.value(path, "--data_dirs") == "dump/mine/test"
        assert recipe.value(f"{path}/test/score", "--ref_dir") == "dump/mine/test"
        assert recipe.threads(path)["OMP_NUM_THREADS"] == "1"
    report = recipe.words(f"{TUNED}/report")
    assert [f"--system=before={START}", f"--system=finetune_theirs={TUNED}"] == report[:2]
    assert said.index(f"{START}: decoding") < said.index(f"decoding with {TUNED}")

    again = recipe.run(*options, stage=1, last=12)
    assert "making" not in again
    assert f"{START}/decode_ctc_greedy is up to date" in again
    (recipe.root / "theirs/valid.loss.ave.pth").write_text("others")
    again = recipe.run(*options, stage=1, last=12)
    # What is unpacked has the same bytes here, so that only what lies in its folder is made anew.
    for target in (START, decoded[0]):
        assert f"making {target}\n" in again, again
    assert f"{TUNED} is up to date" in again


def _stats(recipe: Recipe) -> str:
    (found,) = (recipe.dir / "exp/mine").glob("stats_*")
    return found.name


def test_a_stage_alone_needs_the_model_unpacked(recipe: Recipe, options: tuple[str, ...]) -> None:
    recipe.run(*options, stage=1)
    said = recipe.run(*options, stage=2)
    assert "making dump/mine/test" in said
    shutil.rmtree(recipe.dir / START)
    said = recipe.run(*options, stage=3, status=1)
    assert "stage 1 makes it: the same command with --stage 1" in said
