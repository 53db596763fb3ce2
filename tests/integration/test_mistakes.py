"""Bad data and missing files: a stage ends with a message that names them, and loses nothing."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from project import OPTIONS, Project, snapshot

RATE = 16000


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Data directories for --corpus kaldi, with noise as speech."""
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


def test_a_corpus_of_ones_own_is_converted_and_bad_utterances_are_left_out(
    empty_project: Project, corpus: Path
) -> None:
    train = corpus / "train"
    sound = np.random.default_rng(0).normal(0, 0.1, (44100, 2))
    soundfile.write(train / "spk-train-0.wav", sound, 44100)
    (train / "spk-train-1.wav").write_bytes((train / "spk-train-0.wav").read_bytes()[:5000])
    _mismatched_text(corpus / "dev")
    options = ("--corpus", "kaldi", "--corpus-dir", corpus, "--stop-stage", "2")
    output = empty_project.run_recipe(*options, name="read", status=1)
    recipe = empty_project.recipe_dir("read")
    assert "all of them: exp/kaldi/log/faults.txt" in output
    assert "spk-dev-1" in (recipe / "exp/kaldi/log/faults.txt").read_text()
    bad = corpus / "bad.txt"
    output = empty_project.run_recipe(*options, "--skip-bad", bad, name="read")
    assert "resampled to 16000 Hz and channels averaged" in output
    assert "1 of 2 channels, 1 of 44100 Hz" in output
    lines = bad.read_text(encoding="utf-8").splitlines()
    assert [line.split()[:2] for line in lines] == [["train", "spk-train-1"], ["dev", "spk-dev-1"]]
    assert "is cut: its header promises" in lines[0]
    assert (recipe / "dump/kaldi/train/text").read_text(encoding="utf-8").count("\n") == 2


def test_mismatched_hypotheses(tiny_run: Project) -> None:
    recipe = tiny_run.recipe_dir()
    decoded = recipe / "exp/synthetic_tiny/tiny/decode_wfst_narrow/chat"
    score = snapshot(decoded / "score")
    good = (decoded / "text").read_text(encoding="utf-8")
    first = good.split(maxsplit=1)[0]
    words = (*OPTIONS, "--stage", "11", "--stop-stage", "11")
    try:
        (decoded / "text").write_text(good.split("\n", 1)[1], encoding="utf-8")
        changed = tiny_run.run_recipe(*words, status=1)
        scored = tiny_run.run_recipe(*words, "--accept-changes", status=1)
    finally:
        (decoded / "text").write_text(good, encoding="utf-8")
    assert f"{decoded.relative_to(recipe)}/text was changed since it was made" in changed
    assert "error: " in scored
    assert first in scored
    assert snapshot(decoded / "score") == score


def test_missing_checkpoint_and_stage_out_of_order(tiny_run: Project) -> None:
    output = tiny_run.run_recipe(
        *OPTIONS, "--stage", "8", "--stop-stage", "8", "--expname", "never_trained", status=1
    )
    assert "exp/synthetic_tiny/never_trained does not exist; stage 5 makes it" in output
    output = tiny_run.run_recipe(*OPTIONS, "--init-param", "nowhere.pth", status=1)
    assert "--init-param: there is no 'nowhere.pth'" in output


@contextmanager
def _changed(path: Path, content: bytes) -> Iterator[None]:
    """Temporarily change the bytes of a file; content and times are restored."""
    good, status = path.read_bytes(), path.stat()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(good)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _cut(path: Path) -> bytes:
    content = path.read_bytes()
    return content[: len(content) // 2]


def _without_a_word(path: Path) -> bytes:
    return b"".join(path.read_bytes().splitlines(keepends=True)[:-1])


@pytest.mark.parametrize(
    ("stage", "file", "spoil", "said"),
    [
        (7, "ngram_word5/lm_pruned.arpa", _cut, "lm_pruned.arpa"),
        (7, "lexicon_syllable_phone5/lexicon.txt", lambda _: b"", "lexicon.txt"),
        (7, "lexicon_syllable_phone5/lexicon.txt", lambda _: b"\xe4\xb8\x80 nope9\n", "nope9"),
        (9, "graph_syllable_phone5/HLG.fst", _cut, "HLG.fst"),
        (9, "graph_syllable_phone5/words.txt", _without_a_word, "graph_syllable_phone5"),
    ],
    ids=["arpa", "no lexicon", "lexicon of other units", "graph", "words of the graph"],
)
def test_damaged_language_files(
    tiny_run: Project, stage: int, file: str, spoil: Callable[[Path], bytes], said: str
) -> None:
    recipe = tiny_run.recipe_dir()
    path = recipe / "lang/synthetic_tiny" / file
    before = snapshot(recipe)
    words = ("--stage", str(stage), "--stop-stage", str(stage), "--accept-changes")
    with _changed(path, spoil(path)):
        output = tiny_run.run_recipe(*OPTIONS, *words, status=1)
    assert "error: " in output
    assert said in output.split("error: ", 1)[1]
    assert "Traceback" not in output
    assert _without_logs(snapshot(recipe)) == _without_logs(before)


def _without_logs(files: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {name: file for name, file in files.items() if not name.endswith(".log")}


@pytest.mark.parametrize("content", [b"", b"\n \n", "……\n".encode(), b"\xff\xfe\n"])
def test_empty_language_model_text(tiny_run: Project, tmp_path: Path, content: bytes) -> None:
    recipe = tiny_run.recipe_dir()
    (tmp_path / "more.txt").write_bytes(content)
    before = snapshot(recipe / "lang")
    words = ("--lm-text", tmp_path / "more.txt", "--stage", "6", "--stop-stage", "6")
    output = tiny_run.run_recipe(*OPTIONS, *words, status=1)
    assert "error: " in output
    assert "more.txt" in output.split("error: ", 1)[1]
    assert "Traceback" not in output
    assert snapshot(recipe / "lang") == before
