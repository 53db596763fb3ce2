"""Natural speech is said once, whoever asks, and whatever was killed."""

import multiprocessing
import os
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fake_voices import CHINESE, SAMPLES_A_PHONEME, make_voices
from local_cluster import Suspects
from onnx import TensorProto

from speechmoe_espnet.corpora.synthetic import kokoro, spoken
from speechmoe_espnet.corpora.synthetic.mixed_voices import ALL, MixedVoice, mix_voices
from speechmoe_espnet.corpora.synthetic.spoken import Saying, Spoken
from speechmoe_espnet.pipeline.pool import ProcessPool

VOICE = MixedVoice("s", (("zf_a", 0.6), ("zf_b", 0.4)), (("zf_b", 1.0),), 1.0, 1.0)


@pytest.fixture(scope="module")
def voices_dir(tmp_path_factory) -> Path:
    return make_voices(tmp_path_factory.mktemp("voices") / "kokoro")


@pytest.fixture
def folder(voices_dir, tmp_path) -> Spoken:
    return Spoken(voices_dir, tmp_path / "speech")


def sayings(folder: Spoken, count: int = 6) -> list[Saying]:
    voices = mix_voices(ALL, ALL, count, 0, folder.voices.styles)
    return [Saying("ni↗xa↓u" + "a" * index, voice) for index, voice in enumerate(voices)]


def test_speech_is_kept_and_read(folder):
    wanted = sayings(folder)
    seconds = list(folder.say_all(wanted, ProcessPool(1)))
    for saying, said in zip(wanted, seconds, strict=True):
        info = soundfile.info(folder.file(saying))
        assert (info.format, info.subtype, info.samplerate) == ("FLAC", "PCM_16", 16000)
        samples = folder.read(saying)
        assert len(samples) / 16000 == pytest.approx(said, abs=1e-3)
        expected = (len(saying.phonemes) + 2) * SAMPLES_A_PHONEME / 24000 / saying.voice.speed
        assert said == pytest.approx(expected + 0.2, abs=0.01)
        assert 0.02 < np.abs(samples).max() < 0.95
        assert np.abs(samples[:800]).max() < 0.01
    assert not folder.missing(wanted)


def test_what_kills_workers_has_a_name(folder):
    wanted, suspects = sayings(folder, 2), Suspects()
    list(folder.say_all(wanted, suspects))
    assert suspects.names == [[f"{s.voice.name} saying {s.phonemes!r}"] for s in wanted]


def test_nothing_is_said_twice(folder, monkeypatch):
    wanted = sayings(folder)
    list(folder.say_all(wanted[:4], ProcessPool(1)))
    times = {saying: folder.file(saying).stat().st_mtime_ns for saying in wanted[:4]}
    assert folder.missing(wanted + wanted) == wanted[4:]
    said = []
    true_one = spoken._synthesise
    monkeypatch.setattr(
        spoken, "_synthesise", lambda where, what: said.append(what) or true_one(where, what)
    )
    assert list(folder.say_all(wanted, ProcessPool(1)))[:4] == [0.0] * 4
    assert said == wanted[4:]
    assert times == {saying: folder.file(saying).stat().st_mtime_ns for saying in wanted[:4]}


def test_two_processes_say_the_same_as_one(folder, voices_dir, tmp_path):
    other = Spoken(voices_dir, tmp_path / "other")
    wanted = sayings(folder)
    list(folder.say_all(wanted, ProcessPool(1)))
    list(other.say_all(wanted, ProcessPool(2)))
    for saying in wanted:
        assert np.array_equal(folder.read(saying), other.read(saying))


def _count(folder: Spoken, wanted: list[Saying], results, together) -> None:
    true_one = spoken._synthesise

    def slow(where: Spoken, what: Saying) -> np.ndarray:
        time.sleep(0.05)
        results.put((os.getpid(), what.phonemes))
        return true_one(where, what)

    spoken._synthesise = slow
    together.wait(60)
    list(folder.say_all(wanted, ProcessPool(1)))


def test_processes_side_by_side_share_the_work(folder):
    wanted = sayings(folder, 10)
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    shared = (folder, wanted, results, context.Barrier(2))
    workers = [context.Process(target=_count, args=shared) for _ in range(2)]
    for worker in workers:
        worker.start()
    said = [results.get(timeout=60) for _ in wanted]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert results.empty()
    assert sorted(words for _, words in said) == sorted(saying.phonemes for saying in wanted)
    assert min(Counter(process for process, _ in said).values()) >= 3
    assert len({process for process, _ in said}) == 2
    assert not folder.missing(wanted)


def _stop_in_the_middle(folder: Spoken, saying: Saying, ready) -> None:
    def never(_where: Spoken, _what: Saying) -> np.ndarray:
        ready.set()
        time.sleep(60)
        raise AssertionError

    spoken._synthesise = never
    list(folder.say_all([saying], ProcessPool(1)))


def test_a_killed_process_leaves_its_work_to_others(folder):
    (saying,) = sayings(folder, 1)
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    worker = context.Process(target=_stop_in_the_middle, args=(folder, saying, ready))
    worker.start()
    assert ready.wait(60)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(60)
    assert next(folder.say_all([saying], ProcessPool(1))) > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"phonemes": "ni↗"},
        {"factor": 1.1},
        {"voice": MixedVoice("s", VOICE.timbre, VOICE.prosody, 1.1, 1.0)},
        {"voice": MixedVoice("s", VOICE.timbre, VOICE.prosody, 1.0, 1.1)},
        {"voice": MixedVoice("s", (("zf_a", 1.0),), VOICE.prosody, 1.0, 1.0)},
        {"voice": MixedVoice("s", VOICE.timbre, (("zf_c", 1.0),), 1.0, 1.0)},
    ],
)
def test_what_changes_the_speech_changes_its_name(folder, changes):
    one = {"phonemes": "ma→", "voice": VOICE, "factor": 1.0}
    assert folder.file(Saying(**one)) != folder.file(Saying(**{**one, **changes}))


def test_the_speakers_name_does_not(folder):
    again = MixedVoice("other", VOICE.timbre, VOICE.prosody, 1.0, 1.0)
    assert folder.file(Saying("ma→", VOICE)) == folder.file(Saying("ma→", again))


def test_other_styles_or_another_model_are_other_speech(voices_dir, tmp_path):
    other = make_voices(tmp_path / "styles")
    (other / "voices/zf_a.bin").write_bytes((other / "voices/zf_c.bin").read_bytes())
    third = make_voices(tmp_path / "model", speed=TensorProto.INT32)
    files = {
        Spoken(path, tmp_path).file(Saying("ma→", VOICE)) for path in (voices_dir, other, third)
    }
    assert len(files) == 3


def test_pitch_and_speed_have_an_effect(voices_dir):
    model = kokoro.Kokoro(kokoro.VoicesFolder.load(voices_dir))
    assert len(model.say("ma→", VOICE, 0.5)) == 4 * len(model.say("ma→", VOICE, 2.0))
    low = model.say("ma→", VOICE, 1.0)
    high = model.say("ma→", MixedVoice("s", (("zm_e", 1.0),), VOICE.prosody, 1.0, 1.0), 1.0)
    assert not np.allclose(low, high, atol=0.01)


@pytest.mark.parametrize(
    ("num_phonemes", "row"), [(1, 39), (39, 39), (41, 40), (90, 89), (400, 299)]
)
def test_a_style_is_timbre_and_prosody(voices_dir, num_phonemes, row):
    folder = kokoro.VoicesFolder.load(voices_dir)
    style = folder.style(VOICE, num_phonemes)[0]
    a, b = (folder.styles[name][row] for name in ("zf_a", "zf_b"))
    assert np.allclose(style[:128], 0.6 * a[:128] + 0.4 * b[:128], atol=1e-6)
    assert np.array_equal(style[128:], b[128:])


def test_a_model_with_whole_speeds_says_at_speed_one(tmp_path):
    folder = make_voices(tmp_path / "v", speed=TensorProto.INT32)
    model = kokoro.Kokoro(kokoro.VoicesFolder.load(folder))
    assert len(model.say("ma→", VOICE, 0.5)) == len(model.say("ma→", VOICE, 2.0))


def test_styles_may_lie_in_one_archive(tmp_path):
    folder = make_voices(tmp_path / "v")
    loaded = kokoro.VoicesFolder.load(folder)
    arrays = {name: rows[:, None] for name, rows in loaded.styles.items()}
    for file in (folder / "voices").iterdir():
        file.unlink()
    np.savez(tmp_path / "styles.npz", **arrays)
    (tmp_path / "styles.npz").rename(folder / "voices-v1.bin")
    again = kokoro.VoicesFolder.load(folder)
    assert again.styles.keys() == loaded.styles.keys()
    assert np.array_equal(again.style(VOICE, 3), loaded.style(VOICE, 3))


def _no_model(folder: Path) -> None:
    (folder / "model.onnx").unlink()


def _two_models(folder: Path) -> None:
    (folder / "second.onnx").write_bytes(b"")


def _no_styles(folder: Path) -> None:
    for file in (folder / "voices").iterdir():
        file.unlink()


def _cut_style(folder: Path) -> None:
    (folder / "voices/zf_a.bin").write_bytes(b"12345")


def _empty_style(folder: Path) -> None:
    (folder / "voices/zf_a.bin").write_bytes(b"")


def _not_finite(folder: Path) -> None:
    np.full(256, np.nan, "<f4").tofile(folder / "voices/zf_a.bin")


def _no_vocabulary(folder: Path) -> None:
    (folder / "config.json").write_text("{}")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_model, r"must hold one model.*it has none; `speechmoe fetch_voices"),
        (_two_models, r"it has model.onnx, second.onnx"),
        (_no_styles, r"no styles"),
        (_cut_style, r"zf_a.bin: 5 bytes are no styles"),
        (_empty_style, r"zf_a.bin: 0 bytes are no styles"),
        (_not_finite, r"zf_a is no style"),
        (_no_vocabulary, r"config.json: has no vocabulary"),
    ],
)
def test_a_folder_that_is_not_right_is_named(tmp_path, spoil, message):
    folder = make_voices(tmp_path / "v", CHINESE)
    spoil(folder)
    with pytest.raises(ValueError, match=message):
        kokoro.VoicesFolder.load(folder)


def test_a_file_that_is_no_model_is_named(tmp_path):
    folder = make_voices(tmp_path / "v", CHINESE)
    (folder / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"model.onnx cannot be loaded as a model"):
        kokoro.Kokoro(kokoro.VoicesFolder.load(folder))


@pytest.mark.parametrize("length", [0, 301])
def test_too_little_or_too_much_to_say_is_an_error(voices_dir, length):
    model = kokoro.Kokoro(kokoro.VoicesFolder.load(voices_dir))
    with pytest.raises(ValueError, match=f"phonemes must be 1 to 300, got {length}"):
        model.say("a" * length, VOICE, 1.0)


def test_an_unknown_voice_is_an_error(folder):
    voice = MixedVoice("s", (("zf_x", 1.0),), VOICE.prosody, 1.0, 1.0)
    with pytest.raises(ValueError, match="has no voice zf_x"):
        folder.file(Saying("ma→", voice))
