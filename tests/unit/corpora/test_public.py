"""Public corpora: a made-up AISHELL-1, manifests of every kind, and ready Kaldi directories."""

import importlib
import inspect
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import AudioSource, Recording, RecordingSet, SupervisionSegment, SupervisionSet

from speechmoe_espnet.corpora import public
from speechmoe_espnet.corpora.manifests import data_dir_from_manifests
from speechmoe_espnet.corpora.public import PUBLIC_CORPORA, PublicCorpus, prepare_public
from speechmoe_espnet.data.faults import FaultsError
from speechmoe_espnet.data.kaldi_dir import DataDir
from speechmoe_espnet.data.table import read_table

REAL = Path(
    os.environ.get(
        "SPEECHMOE_TEST_AISHELL",
        Path(__file__).parents[4] / "shared" / "data" / "aishell1_s0150",
    )
)
UTTERANCES = {"train": "BAC009S0002W0001", "dev": "BAC009S0003W0001", "test": "BAC009S0004W0001"}


def write_wav(path: Path, seconds: float = 1.0, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(0).normal(0, 0.1, (int(16000 * seconds), channels))
    soundfile.write(path, samples, 16000, subtype="PCM_16")
    return path


@pytest.fixture
def aishell(tmp_path) -> Path:
    root = tmp_path / "corpus"
    for part, name in UTTERANCES.items():
        write_wav(root / "data_aishell" / "wav" / part / name[6:11] / f"{name}.wav")
    transcript = root / "data_aishell" / "transcript" / "aishell_transcript_v0.8.txt"
    transcript.parent.mkdir()
    lines = (f"{name} 今天 天气 {part}\n" for part, name in UTTERANCES.items())
    transcript.write_text("".join(lines), encoding="utf-8")
    return root


def test_aishell_layout(aishell, tmp_path):
    prepare_public("aishell", aishell, tmp_path / "out")
    for part, name in UTTERANCES.items():
        data = DataDir.load(tmp_path / "out" / part)
        assert data.text == {name: f"今天天气{part.upper()}"}
        assert data.utt2spk == {name: name[6:11]}
        assert Path(data.wav_scp[name]).is_absolute()
        assert Path(data.wav_scp[name]).is_file()
        assert data.segments is None


def test_utterances_skipped_by_lhotse_are_reported(aishell, tmp_path, caplog):
    write_wav(aishell / "data_aishell" / "wav" / "train" / "S0002" / "BAC009S0002W0002.wav")
    prepare_public("aishell", aishell, tmp_path / "out")
    assert "No transcript: BAC009S0002W0002" in caplog.text


def test_a_missing_part_is_an_error(aishell, tmp_path):
    (aishell / "data_aishell" / "wav" / "dev" / "S0003" / f"{UTTERANCES['dev']}.wav").unlink()
    with pytest.raises(ValueError, match="aishell"):
        prepare_public("aishell", aishell, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_utterance_in_two_sets_is_an_error(aishell, tmp_path):
    write_wav(aishell / "data_aishell" / "wav" / "test" / "S0002" / f"{UTTERANCES['train']}.wav")
    with pytest.raises(ValueError, match=f"in train and test {UTTERANCES['train']}"):
        prepare_public("aishell", aishell, tmp_path / "out")


def test_unknown_corpus_and_missing_directory(tmp_path):
    with pytest.raises(ValueError, match=r"aishell2.*thchs_30.*got 'timit'"):
        prepare_public("timit", tmp_path, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="no directory"):
        prepare_public("aishell", tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises((ValueError, OSError)):
        prepare_public("aishell2", tmp_path, tmp_path / "out")


def test_every_corpus_names_a_function_of_lhotse():
    for name, corpus in PUBLIC_CORPORA.items():
        module = importlib.import_module(f"lhotse.recipes.{name}")
        parameters = inspect.signature(getattr(module, f"prepare_{name}")).parameters
        assert corpus.options.keys() | {"corpus_dir", "output_dir"} <= parameters.keys()
        assert corpus.parallel == ("num_jobs" in parameters)
        assert corpus.parts.keys() <= set(public.SETS)


def recording(path: Path, name: str = "r1", **changes: object) -> Recording:
    made = Recording.from_file(path, recording_id=name)
    return made.__class__(**{**made.__dict__, **changes})


def supervision(name: str, start: float = 0.0, duration: float = 1.0, **changes: object):
    fields = {"recording_id": "r1", "text": "你好", "speaker": "s1", **changes}
    return SupervisionSegment(id=name, start=start, duration=duration, **fields)


def manifest(recordings: list[Recording], supervisions: list[SupervisionSegment]):
    return {
        "recordings": RecordingSet.from_recordings(recordings),
        "supervisions": SupervisionSet.from_segments(supervisions),
    }


def test_parts_of_recordings_become_segments(tmp_path):
    wav = write_wav(tmp_path / "a.wav", seconds=2)
    parts = [supervision("u1", 0.0, 0.8), supervision("u2", 0.9, 1.0, speaker=None)]
    data = data_dir_from_manifests("set", [manifest([recording(wav)], parts)])
    assert data.segments is not None
    assert str(data.segments["u2"]) == "r1 0.9 1.9"
    assert data.wav_scp == {"r1": str(wav)}
    assert data.utt2spk == {"u1": "s1", "u2": "r1"}


def test_manifests_that_cannot_be_used(tmp_path):
    wav = write_wav(tmp_path / "a.wav")
    stereo = write_wav(tmp_path / "b.wav", channels=2)
    url = [AudioSource(type="url", channels=[0], source="http://example.org/a.wav")]
    gone = [AudioSource(type="file", channels=[0], source=str(tmp_path / "gone.wav"))]
    good = recording(wav)
    for error, message, recordings, supervisions in (
        (ValueError, "no utterances", [good], []),
        (ValueError, "no transcript for u1", [good], [supervision("u1", text=" ")]),
        (ValueError, "no recording r2", [good], [supervision("u1", recording_id="r2")]),
        (ValueError, "2 channels", [recording(stereo)], [supervision("u1")]),
        (ValueError, "one file, got url", [recording(wav, sources=url)], [supervision("u1")]),
        (FileNotFoundError, "gone.wav", [recording(wav, sources=gone)], [supervision("u1")]),
    ):
        with pytest.raises(error, match=message):
            data_dir_from_manifests("set", [manifest(recordings, supervisions)])
    one = manifest([good], [supervision("u1")])
    with pytest.raises(ValueError, match="recordings twice: r1"):
        data_dir_from_manifests("set", [one, one])
    with pytest.raises(ValueError, match="utterances twice: u1"):
        data_dir_from_manifests("set", [one, manifest([], [supervision("/x/u1")])])


def test_dev_and_test_are_held_out_by_speaker(tmp_path, monkeypatch):
    wav = write_wav(tmp_path / "a.wav")
    recordings = [recording(wav, f"r{i}") for i in range(300)]
    supervisions = [
        supervision(f"u{i}", recording_id=f"r{i}", speaker=f"s{i // 3}") for i in range(300)
    ]

    def prepare(corpus_dir: Path, output_dir: str) -> dict[str, object]:
        return {"train": manifest(recordings, supervisions)}

    module = types.ModuleType("fake")
    monkeypatch.setattr(module, "prepare_fake", prepare, raising=False)
    monkeypatch.setitem(sys.modules, "lhotse.recipes.fake", module)
    fake = PublicCorpus({"train": ("train",)}, held_out=True, source="")
    monkeypatch.setitem(PUBLIC_CORPORA, "fake", fake)
    sets = prepare_public("fake", tmp_path, tmp_path / "out")
    assert [data.path.name for data in sets] == ["train", "dev", "test"]
    assert sum(len(data.text) for data in sets) == 300
    speakers = [set(data.utt2spk.values()) for data in sets]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 100


def kaldi_set(folder: Path, name: str, segments: bool) -> None:
    wav = write_wav(folder / f"{name}.wav")
    folder = folder / name
    folder.mkdir()
    (folder / "text").write_text(f"{name}1 你好\n", encoding="utf-8")
    (folder / "utt2spk").write_text(f"{name}1 s\n", encoding="utf-8")
    recording_name = f"{name}rec" if segments else f"{name}1"
    (folder / "wav.scp").write_text(f"{recording_name} {os.path.relpath(wav)}\n", encoding="utf-8")
    if segments:
        (folder / "segments").write_text(f"{name}1 {name}rec 0.1 0.9\n", encoding="utf-8")


def test_kaldi_directories_are_taken_with_their_segments(tmp_path):
    for name in ("train", "dev", "test"):
        kaldi_set(tmp_path, name, segments=name == "train")
    train, dev, _ = prepare_public("kaldi", tmp_path, tmp_path / "out")
    assert train.segments is not None
    assert str(train.segments["train1"]) == "trainrec 0.1 0.9"
    assert dev.segments is None
    assert all(Path(wav).is_absolute() for wav in dev.wav_scp.values())


def test_kaldi_directories_are_written_as_kaldi_checks_them(tmp_path):
    """Ends are stated, and recordings that no segment names are left out."""
    for name in ("train", "dev", "test"):
        kaldi_set(tmp_path, name, segments=True)
        folder = tmp_path / name
        (folder / "segments").write_text(f"{name}1 {name}rec 0.25 -1\n", encoding="utf-8")
        with (folder / "wav.scp").open("a") as file:
            file.write(f"unused {tmp_path / name}.wav\n")
    train, *_ = prepare_public("kaldi", tmp_path, tmp_path / "out")
    assert list(train.wav_scp) == ["trainrec"]
    assert train.segments is not None
    assert str(train.segments["train1"]) == "trainrec 0.25 1.0"


@pytest.mark.parametrize("sorted_ids", [True, False])
def test_ids_begin_with_the_speaker_where_kaldi_needs_it(tmp_path, monkeypatch, sorted_ids):
    wav = write_wav(tmp_path / "a.wav")
    made = {
        name: manifest(
            [recording(wav, f"r{name}{i}") for i in range(2)],
            [
                supervision(f"u{name}{i}", recording_id=f"r{name}{i}", speaker=speaker)
                for i, speaker in enumerate("ab" if sorted_ids or name != "dev" else "ba")
            ],
        )
        for name in ("train", "dev", "test")
    }
    module = types.ModuleType("fake")
    monkeypatch.setattr(module, "prepare_fake", lambda *_, **__: made, raising=False)
    monkeypatch.setitem(sys.modules, "lhotse.recipes.fake", module)
    monkeypatch.setitem(PUBLIC_CORPORA, "fake", PublicCorpus(source=""))
    sets = prepare_public("fake", tmp_path, tmp_path / "out")
    for data in sets:
        assert data.sorts_by_speaker
        # All sets alike.
        assert all(utterance.startswith("u") == sorted_ids for utterance in data.text)
        assert data.wav_scp.keys() == data.text.keys()


def test_kaldi_directory_without_a_set(tmp_path):
    kaldi_set(tmp_path, "train", segments=False)
    with pytest.raises(FileNotFoundError, match="dev"):
        prepare_public("kaldi", tmp_path, tmp_path / "out")


def test_bad_utterances_stop_a_corpus_or_are_left_out(tmp_path):
    for name in ("train", "dev", "test"):
        kaldi_set(tmp_path, name, segments=False)
    wav = tmp_path / "train.wav"
    for file, lines in {
        "wav.scp": f"train0 {tmp_path}/gone.wav\ntrain1 {wav}\ntrain2 {wav}\n",
        "text": "train0 你好\ntrain1 你好\ntrain3 你好\n",
        "utt2spk": "train0 s\ntrain1 s\n",
    }.items():
        (tmp_path / "train" / file).write_text(lines, encoding="utf-8")
    with pytest.raises(FaultsError) as caught:
        prepare_public("kaldi", tmp_path, tmp_path / "out")
    assert {fault.name for fault in caught.value.faults} == {"train0", "train2", "train3"}
    train, *_ = prepare_public("kaldi", tmp_path, tmp_path / "out", skip_bad=True)
    assert train.utterances == ("train1",)
    assert read_table(tmp_path / "out/train/left_out").keys() == {"train0", "train2", "train3"}
    assert read_table(tmp_path / "out/dev/left_out") == {}


def test_bad_utterances_of_manifests_are_left_out(tmp_path):
    wav = write_wav(tmp_path / "a.wav")
    gone = [AudioSource(type="file", channels=[0], source=str(tmp_path / "gone.wav"))]
    recordings = [recording(wav), recording(wav, "r2", sources=gone)]
    supervisions = [
        supervision("u1"),
        supervision("u2", text=" "),
        supervision("u3", recording_id="r2"),
    ]
    left_out: dict[str, str] = {}
    data = data_dir_from_manifests("set", [manifest(recordings, supervisions)], left_out=left_out)
    assert data.utterances == ("u1",)
    assert left_out["u2"] == "no transcript"
    assert "no file" in left_out["u3"]
    with pytest.raises(ValueError, match="none of 1 utterances can be used"):
        data_dir_from_manifests("set", [manifest(recordings, supervisions[2:])], left_out={})


@pytest.mark.skipif(not REAL.is_dir(), reason="no real AISHELL-1 (SPEECHMOE_TEST_AISHELL)")
def test_real_aishell(tmp_path):
    sets = prepare_public("aishell", REAL, tmp_path / "out")
    assert [data.path.name for data in sets] == ["train", "dev", "test"]
    assert all(data.text for data in sets)


def test_markup_of_a_corpus_is_removed_and_utterances_without_text_are_left_out(tmp_path, caplog):
    wav = write_wav(tmp_path / "a.wav")
    parts = [
        supervision("u1", 0.0, 0.4, text="ENS你好NPS"),
        supervision("u2", 0.4, 0.5, text="SPK"),
        supervision("u3", 0.4, 0.5, text="SENSE好"),
    ]
    markup = PUBLIC_CORPORA["magicdata"].markup
    data = data_dir_from_manifests("set", [manifest([recording(wav)], parts)], markup)
    assert data.text == {"u1": "你好", "u3": "SENSE好"}
    assert "u2" not in data.utt2spk
    assert "u2" not in (data.segments or {})
    assert "set: 1 utterances without text left out: u2" in caplog.text
