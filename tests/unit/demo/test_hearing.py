import numpy as np
import pytest
import soundfile
from bad_recordings import sound
from trained import experiment

from speechmoe_espnet.demo.answer_page import answer_html
from speechmoe_espnet.demo.hearing import MAX_EXAMPLES, System, hear
from speechmoe_espnet.demo.page import answer_of
from speechmoe_espnet.inference import segmenting
from speechmoe_espnet.inference.load_transcriber import load_transcriber
from speechmoe_espnet.inference.speech_finder import find_everything
from speechmoe_espnet.inference.transcription import Part
from speechmoe_espnet.system.cli import OUT_OF_MEMORY

EXPERTS = 4
LAYERS = 2


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    found = []
    for title, experts in (("moe", EXPERTS), ("dense", 1)):
        folder = experiment(
            tmp_path_factory.mktemp(title) / "exp",
            encoder_conf={"moe_conf": {"num_experts": experts}},
        )
        found.append(System(title, load_transcriber(str(folder), None, find_everything)))
    return found


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "talk <1>.wav"
    soundfile.write(path, sound(12), 16000)
    return path


def test_systems_answer_one_after_the_other(systems, recording, monkeypatch):
    monkeypatch.setattr(segmenting, "CHAPTER", 5.0)
    monkeypatch.setattr(segmenting, "LONGEST", 2.0)
    stages = list(hear(systems, recording))
    assert [[answer.seconds for answer in stage] for stage in stages] == [
        [5, 0], [10, 0], [12, 0], [12, 5], [12, 10], [12, 12],
    ]  # fmt: skip
    moe, dense = stages[-1]
    for answer, system in zip(stages[-1], systems, strict=True):
        assert answer.texts == system.transcriber(recording).segments
        assert answer.title == system.title
        assert answer.took > 0
    assert len(moe.texts) > MAX_EXAMPLES
    assert not dense.routing.layers
    assert not dense.examples


def test_routing_is_that_of_all_frames_and_of_the_first_segments(systems, recording, monkeypatch):
    monkeypatch.setattr(segmenting, "CHAPTER", 5.0)
    monkeypatch.setattr(segmenting, "LONGEST", 2.0)
    *_, (moe,) = hear(systems[:1], recording)
    assert len(moe.routing.layers) == LAYERS
    for layer in moe.routing.layers:
        assert sum(layer.choices) == moe.routing.num_frames
    assert len(moe.examples) == MAX_EXAMPLES
    first = moe.examples[0]
    assert first.utt == "0.0 to 3.0 s"
    seconds = first.expert.shape[1] * first.subsampling / 100
    assert seconds == pytest.approx(3.0, abs=0.1)
    # Segments overlap by two seconds, so that their frames are more than those of the recording.
    assert moe.routing.num_frames * first.subsampling / 100 > 12


def test_an_example_counts_as_the_totals_do(systems, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, sound(3), 16000)
    *_, (moe,) = hear(systems[:1], path)
    (example,) = moe.examples
    for layer, chosen in zip(moe.routing.layers, example.expert, strict=True):
        assert layer.choices == tuple(np.bincount(chosen, minlength=EXPERTS))
    total = [layer.confidence / moe.routing.num_frames for layer in moe.routing.layers]
    assert total == pytest.approx(example.prob.mean(axis=1).tolist(), rel=1e-4)


def test_a_recording_is_deleted_after_use_with_its_folder(systems, recording, tmp_path):
    uploads = tmp_path / "uploads"
    inside = uploads / "a" / "b"
    inside.mkdir(parents=True)
    path = recording.rename(inside / recording.name)
    *_, last = answer_of(systems, path, path.name, uploads)
    assert "talk &lt;1&gt;.wav" in last
    assert "<1>" not in last
    assert list(uploads.iterdir()) == []
    assert uploads.is_dir()


def test_a_recording_is_deleted_when_listening_is_stopped(systems, recording):
    heard = answer_of(systems, recording, recording.name)
    assert "has listened to" in next(heard)
    heard.close()
    assert not recording.exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("has no audio stream, only video"), "has no audio stream, only video"),
        (OSError(13, "Permission denied"), "Permission denied"),
        (MemoryError(), OUT_OF_MEMORY),
    ],
)
def test_errors_are_one_line_and_the_recording_is_deleted(error, said, recording):
    class Failing:
        def parts(self, *_, **__):
            raise error

    found = list(answer_of([System("a", Failing())], recording, "a.wav"))
    assert len(found) == 1
    assert f"<p>a.wav: {said}</p>" in found[0]
    assert not recording.exists()


def test_the_answer_of_silence_is_the_line_of_transcribe(systems, tmp_path):
    class Silent:
        def parts(self, *_, **__):
            yield Part(1.0)

    silent = System("a", Silent())
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(16000), 16000)
    *_, last = answer_of([silent, silent], path, "a.wav")
    assert last.count("no speech found in 1.0 s") == 1
    assert "<table" not in last


def test_both_answers_stand_on_the_page_with_charts_of_the_experts(systems, recording):
    *_, answers = hear(systems, recording)
    html = answer_html("a", answers)
    for answer in answers:
        assert f"<h3>{answer.title}</h3>" in html
        assert all(found.text in html for found in answer.texts)
    assert html.count("<svg") == 2
    assert "moe, layer 2, expert 4: " in html
    assert "Spectrogram, units and experts" in html
    assert "http" not in html.replace("http://www.w3.org/", "")


def test_there_are_no_charts_before_the_end(systems, recording):
    first, *_ = hear(systems, recording)
    html = answer_html("a", first, promised=12.0, is_finished=False)
    assert "moe has listened to 0:12.0 of about 0:12.0" in html
    assert "<svg" not in html
    # What a header promises may be too little.
    assert "0:12.0 of about" not in answer_html("a", first, promised=3.0, is_finished=False)
