"""The page of the demo in Chromium: a microphone that plays speech, uploads, bad files, a phone."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from project import ROOT

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from bad_recordings import bad_recordings
from trained import experiment

from speechmoe_espnet.data.samples import resampled
from speechmoe_espnet.inference.load_transcriber import load_transcriber
from speechmoe_espnet.inference.speech_finder import SILERO, make_speech_finder

CLIPS = Path(os.environ.get("SPEECHMOE_TEST_CLIPS", ROOT.parent / "shared/data/real_clips/audio"))
TEXT = "今天天气很好，我们一起去公园吧"
RATE = 16000
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PATIENCE = 180_000
"""Milliseconds to wait for the page, on a machine that may be busy."""
READABLE = 4.5
"""Least contrast of text, by WCAG 2 AA."""

pytest.importorskip("gradio", reason="Gradio is not installed (extra demo)")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")

# The command, which notes whom it asks beside this machine.
WATCHED = """
import sys

def watch(event, args):
    asked = args[1] if event == "socket.connect" else args[0]
    if isinstance(asked, tuple):
        asked = asked[0]
    if asked and str(asked) not in ("127.0.0.1", "::1", "localhost"):
        print("ASKED", event, asked, file=sys.stderr, flush=True)

sys.addaudithook(
    lambda event, args: event in ("socket.connect", "socket.getaddrinfo") and watch(event, args)
)
from speechmoe_espnet.__main__ import main
sys.exit(main())
"""


@dataclass
class Demo:
    """A running page: its process, address, folder of temporary files, and models."""

    process: subprocess.Popen[str]
    address: str
    folder: Path
    moe: Path
    dense: Path
    speech: Path

    def kept(self) -> list[Path]:
        """Return files with content among the uploads."""
        files = self.folder.glob("speechmoe_demo_*/**/*")
        return [path for path in files if path.is_file() and path.stat().st_size]


def speak(path: Path) -> None:
    """Write speech: of a person, or, where there is no recording of one, of a synthesiser."""
    clips = sorted(CLIPS.glob("*.flac"))
    if clips:
        samples, rate = soundfile.read(clips[0], dtype="float32")
    else:
        from speechmoe_espnet.corpora.synthetic import espeak, pinyin, voices

        (speaker,) = voices.make_speakers("read", "eval", 1, 0)
        with espeak.Session() as session:
            spoken = session.say(pinyin.to_espeak(TEXT), speaker)
        samples, rate = spoken.astype(np.float32) / 32768, espeak.SAMPLE_RATE
    soundfile.write(path, resampled(samples, rate, RATE), RATE, subtype="PCM_16")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    moe = experiment(folder / "moe", encoder_conf={"moe_conf": {"num_experts": 4}})
    dense = experiment(folder / "dense", encoder_conf={"moe_conf": {"num_experts": 1}})
    speech = folder / "speech.wav"
    speak(speech)
    words = ["demo", "--model", moe, "--baseline", dense, "--port", "0"]
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHED, *map(str, words)],
        env=os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=log, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, (folder / "log").read_text()
        yield Demo(process, found[0], folder, moe, dense, speech)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def browser(demo: Demo) -> Iterator[Any]:
    options = [
        *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
        f"--use-file-for-fake-audio-capture={demo.speech}",
    ]
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        yield found
        found.close()


def new_page(browser: Any, **options: Any) -> Any:
    page = browser.new_page(**options)
    page.set_default_timeout(PATIENCE)
    return page


def upload(page: Any, path: Path) -> None:
    """Give a file to the page and wait for its answer."""
    page.locator("input[type=file]").set_input_files(path)
    heading = page.locator(".speechmoe h2, .speechmoe .note p").filter(has_text=path.name)
    heading.wait_for()
    page.get_by_role("button", name="Stop listening").wait_for(state="hidden")


def record(page: Any, seconds: float) -> None:
    """Let the page listen to its microphone and wait for its answer."""
    page.get_by_role("button", name="Record").click()
    page.wait_for_timeout(1000 * seconds)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator(".speechmoe svg, .speechmoe .note").first.wait_for()
    page.get_by_role("button", name="Record").wait_for()


def wait_until_deleted(demo: Demo) -> None:
    end = time.monotonic() + 30
    while demo.kept() and time.monotonic() < end:
        time.sleep(0.1)
    assert demo.kept() == []


def test_a_microphone_is_heard_by_both_and_nobody_else_is_asked(demo: Demo, browser: Any) -> None:
    page = new_page(browser)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    for seconds in (3, 6, 12):  # a busy machine loses some of the sound
        page.goto(demo.address)
        record(page, seconds)
        if page.locator(".speechmoe .note").count() == 0:
            break
    assert page.locator(".speechmoe").inner_text().startswith("Microphone\n")
    assert page.locator(".answer h3").all_inner_texts() == ["moe", "dense"]
    assert page.locator(".answer tbody tr").count() == 2
    assert all(page.locator(".answer td:nth-child(2)").all_inner_texts())
    assert all(re.match(r"0:0\d\.\d – 0:0\d\.\d", text)
               for text in page.locator(".answer td:first-child").all_inner_texts())  # fmt: skip
    labels = [svg.get_attribute("aria-label") for svg in page.locator(".speechmoe svg").all()]
    assert ["Spectrogram" in label for label in labels] == [True, False]
    assert "share of frames by layer and expert" in labels[1]
    wait_until_deleted(demo)
    assert [url for url in asked if not url.startswith((demo.address, "blob:", "data:"))] == []
    assert wrong == []
    page.close()


def test_a_recording_of_any_kind_in_the_dark_on_a_phone(demo: Demo, browser: Any) -> None:
    samples, _ = soundfile.read(demo.speech, dtype="float32")
    strange = demo.folder / f"{'long' * 20}.wav"
    high = resampled(samples, RATE, 192_000)
    soundfile.write(strange, np.tile(high[:, None], (1, 8)), 192_000)
    page = new_page(browser, viewport={"width": 400, "height": 800}, color_scheme="dark")
    page.goto(demo.address)
    upload(page, strange)
    find_speech = make_speech_finder(SILERO)
    for column, model in zip(page.locator(".answer").all(), (demo.moe, demo.dense), strict=True):
        segments = load_transcriber(str(model), None, find_speech)(strange).segments
        shown = column.locator("td:nth-child(2)").all_inner_texts()
        assert shown == [segment.text for segment in segments]
        assert any(shown)
    long = "长" * 60 + "long" * 60
    page.locator(".answer td:nth-child(2)").evaluate_all(
        "(cells, text) => cells.forEach(cell => cell.innerText = text)", long
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    for box in page.locator(".speechmoe table, .speechmoe section").all():
        assert box.evaluate("e => e.getBoundingClientRect().right") <= 400
        assert box.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
    colour = "e => getComputedStyle(e)"
    paper = page.locator(".answer").first.evaluate(f"{colour}.backgroundColor")
    assert luminance(paper) < 0.05
    for place in (".answer h3", ".answer td", ".answer th", ".answer .faint"):
        ink = page.locator(place).first.evaluate(f"{colour}.color")
        assert contrast(ink, paper) > READABLE, place
    ink = page.locator(".speechmoe svg text").first.evaluate(f"{colour}.fill")
    assert contrast(ink, paper) > READABLE
    page.close()
    wait_until_deleted(demo)


def luminance(colour: str) -> float:
    values = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(first: str, second: str) -> float:
    low, high = sorted(map(luminance, (first, second)))
    return (high + 0.05) / (low + 0.05)


def test_bad_recordings_are_one_line_and_the_page_goes_on(demo: Demo, browser: Any) -> None:
    folder = demo.folder / "bad"
    folder.mkdir()
    bad = {path: said for path, said in bad_recordings(folder).items() if path.is_file()}
    assert len(bad) == 8
    page = new_page(browser)
    page.goto(demo.address)
    for path, said in bad.items():
        upload(page, path)
        note = page.locator(".speechmoe .note")
        assert note.count() == 1
        assert re.fullmatch(rf"{path.name}: .*{said}.*", note.inner_text().strip())
        assert page.locator(".toast-body").count() == 0
    upload(page, demo.speech)
    assert page.locator(".answer tbody tr").count() == 2
    page.close()
    wait_until_deleted(demo)


def test_at_last_ctrl_c_ends_it_silently_and_nothing_is_left(demo: Demo) -> None:
    assert list(demo.folder.glob("speechmoe_demo_*"))
    before = (demo.folder / "log").read_text()
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(timeout=30) == 0
    log = (demo.folder / "log").read_text()
    assert log == before
    assert "Traceback" not in log
    assert "ASKED" not in log
    assert list(demo.folder.glob("speechmoe_demo_*")) == []
