"""What was recognised in a segment, placed in the recording."""

import json

import numpy as np
import pytest

from speechmoe_espnet.decode.hypothesis import Hypothesis, Word
from speechmoe_espnet.decode.recognized import Recognized
from speechmoe_espnet.decode.unit_text import UnitText
from speechmoe_espnet.inference.segmenting import Segment
from speechmoe_espnet.inference.transcript import TimedText, TimedWord, Transcript, timed_text
from speechmoe_espnet.inference.transcript_files import WRITERS, as_dict

TEXT = UnitText(["<blank>", "<unk>", "<space>", *"一二三ab", "<sos/eos>"], "char")
RATE = 100


def recognized(units, frames, words=None):
    hypothesis = Hypothesis(
        units, 0.0, words=words, unit_frames=frames, unit_confidences=(0.5,) * len(units)
    )
    return Recognized("x", (TEXT(units),), ("",), (hypothesis,), frame_seconds=0.1, seconds=4.0)


def segment(begin, first, last, seconds=4):
    return Segment(np.zeros(seconds * RATE, np.float32), RATE, begin, first, last)


def test_times_are_those_of_the_recording():
    found = timed_text(
        segment(1000, 1000, 1400),
        recognized((3, 6, 7, 2, 6), ((1, 2), (3, 4), (5, 6), (7, 8), (9, 12))),
        TEXT,
    )
    assert found.text == "一ab a"
    assert [(w.text, w.start, w.end) for w in found.words] == [
        ("一", 10.1, 10.2),
        ("ab", 10.3, 10.6),
        ("a", 10.9, 11.2),
    ]
    assert found.confidence == 0.5


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [(100, 300, "二"), (0, 300, "一二"), (100, 400, "二三"), (0, 400, "一二三"), (100, 105, "")],
)
def test_what_overlaps_is_written_once(first, last, text):
    units, frames = (3, 4, 5), ((2, 4), (18, 20), (35, 36))
    found = timed_text(segment(0, first, last), recognized(units, frames), TEXT)
    assert found.text == text
    assert "".join(word.text for word in found.words) == text
    words = tuple(Word(TEXT.units[unit], *span) for unit, span in zip(units, frames, strict=True))
    assert timed_text(segment(0, first, last), recognized(units, frames, words), TEXT).text == text


def test_without_times_there_is_the_text():
    hypothesis = Hypothesis((3, 4), 0.0)
    found = timed_text(segment(0, 100, 300), Recognized("x", ("一二",), ("",), (hypothesis,)), TEXT)
    assert (found.text, found.words, found.confidence) == ("一二", (), None)
    assert (found.start, found.end) == (1, 3)


def word(text, start, end):
    return TimedWord(text, start, end, 0.25)


TRANSCRIPT = Transcript(
    "a talk.wav",
    3700.0,
    (
        TimedText(0.5, 2.0, "一 <b>", (word("一", 0.5, 0.75), word("<b>", 1.0, 1.9))),
        TimedText(
            3600.0, 3616.0, "two three", (word("two", 3600, 3601), word("three", 3610, 3616))
        ),
        TimedText(3690.0, 3691.0, "二", ()),
    ),
)
WRITTEN = {
    "text": "一 <b>\ntwo three\n二\n",
    "srt": "1\n00:00:00,500 --> 00:00:02,000\n一 <b>\n\n"
    "2\n01:00:00,000 --> 01:00:01,000\ntwo\n\n3\n01:00:10,000 --> 01:00:16,000\nthree\n\n"
    "4\n01:01:30,000 --> 01:01:31,000\n二\n\n",
    "vtt": "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\n一 &lt;b&gt;\n\n"
    "01:00:00.000 --> 01:00:01.000\ntwo\n\n01:00:10.000 --> 01:00:16.000\nthree\n\n"
    "01:01:30.000 --> 01:01:31.000\n二\n\n",
    "ctm": "a_talk 1 0.500 0.250 一 0.2500\na_talk 1 1.000 0.900 <b> 0.2500\n"
    "a_talk 1 3600.000 1.000 two 0.2500\na_talk 1 3610.000 6.000 three 0.2500\n",
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_files(kind):
    assert WRITERS[kind](TRANSCRIPT) == WRITTEN[kind]


def test_json():
    found = json.loads(WRITERS["json"](TRANSCRIPT))
    assert found == as_dict(TRANSCRIPT)
    assert found["text"] == "一 <b> two three 二"
    assert found["segments"][2] == {
        "start": 3690.0, "end": 3691.0, "text": "二", "confidence": None, "words": []
    }  # fmt: skip
