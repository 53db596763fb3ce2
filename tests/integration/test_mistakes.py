"""Bad data and missing files end a stage with a message that names them; nothing is lost."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from project import OPTIONS, Project, snapshot

RATE = 16000


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Ready directories with noise for speech, as --corpus kaldi takes them."""
    folder = tmp_path / "corpus"
    rng = np.random.default_rng(0)
    for name in ("train", "dev", "test"):
        (folder / name).mkdir(parents=True)
        wav_scp, text, utt2spk = "", "", ""
        for number in range(3):
            utt = f"spk-{name}-{number}"
            wav = folder / name / f"{utt}.wav"
            soundfile.write(wav, rng.normal(0, 0.1, RATE), RATE, subtype="FLOAT")
            wav_scp += f"{utt} {wav}\n"
            text += f"{utt} 今天天气\n"
            utt2spk += f"{utt} spk\n"
        (folder / name / "wav.scp").write_text(wav_scp, encoding="utf-8")
        (folder / name / "text").write_text(text, encoding="utf-8")
        (folder / name / "utt2spk").write_text(utt2spk, encoding="utf-8")
        ids = " ".join(f"spk-{name}-{number}" for number in range(3))
        (folder / name / "spk2utt").write_text(f"spk {ids}\n", encoding="utf-8")
    return folder


def _duplicate_id(train: Path) -> None:
    lines = (train / "wav.scp").read_text().splitlines(keepends=True)
    (train / "wav.scp").write_text("".join([lines[0], *lines]))


def _missing_audio(train: Path) -> None:
    (train / "spk-train-1.wav").unlink()


def _missing_text(train: Path) -> None:
    (train / "text").unlink()


def _mismatched_text(train: Path) -> None:
    lines = (train / "text").read_text(encoding="utf-8").splitlines(keepends=True)
    (train / "text").write_text("".join([*lines[:1], *lines[2:]]), encoding="utf-8")


def _empty_audio(train: Path) -> None:
    soundfile.write(train / "spk-train-1.wav", np.zeros(0), RATE)


def _nan_audio(train: Path) -> None:
    samples = np.full(RATE, np.nan, dtype=np.float32)
    soundfile.write(train / "spk-train-1.wav", samples, RATE, subtype="FLOAT")


def _pipe(train: Path) -> None:
    text = (train / "wav.scp").read_text()
    (train / "wav.scp").write_text(text.replace("spk-train-1 ", "spk-train-1 cat ", 1) + "|")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_duplicate_id, ["wav.scp", "spk-train-0"]),
        (_missing_audio, ["spk-train-1"]),
        (_missing_text, ["text"]),
        (_mismatched_text, ["spk-train-1"]),
        (_empty_audio, ["spk-train-1"]),
        (_nan_audio, ["spk-train-1"]),
        (_pipe, ["|"]),
    ],
)
def test_bad_corpus(
    empty_project: Project, corpus: Path, spoil: Callable[[Path], None], said: list[str]
) -> None:
    options = ("--corpus", "kaldi", "--corpus-dir", corpus, "--stop-stage", "2")
    recipe = empty_project.recipe_dir("read")
    for name in ("data/kaldi", "dump/kaldi/train"):
        (recipe / name).mkdir(parents=True)
        (recipe / name / "earlier").write_text("earlier\n")
    before = snapshot(recipe / "dump")
    spoil(corpus / "train")
    output = empty_project.run_recipe(*options, name="read", status=1)
    assert "error: " in output
    assert "Traceback" not in output
    for word in said:
        assert word in output
    assert snapshot(recipe / "dump") == before


def test_mismatched_hypotheses(tiny_run: Project) -> None:
    recipe = tiny_run.recipe_dir()
    decoded = recipe / "exp/synthetic/tiny/decode_ctc_greedy/chat"
    score = snapshot(decoded / "score")
    good = (decoded / "text").read_text(encoding="utf-8")
    first = good.split(maxsplit=1)[0]
    try:
        (decoded / "text").write_text(good.split("\n", 1)[1], encoding="utf-8")
        output = tiny_run.run_recipe(*OPTIONS, "--stage", "7", "--stop-stage", "7", status=1)
    finally:
        (decoded / "text").write_text(good, encoding="utf-8")
    assert "error: " in output
    assert first in output
    assert snapshot(decoded / "score") == score


def test_missing_checkpoint_and_stage_out_of_order(tiny_run: Project) -> None:
    output = tiny_run.run_recipe(
        *OPTIONS, "--stage", "6", "--stop-stage", "6", "--expname", "never_trained", status=1
    )
    assert "exp/synthetic/never_trained does not exist; stage 5 makes it" in output
    output = tiny_run.run_recipe(*OPTIONS, "--init-param", "nowhere.pth", status=1)
    assert "--init-param: there is no 'nowhere.pth'" in output
