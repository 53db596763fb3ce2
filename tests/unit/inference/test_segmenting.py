"""Segments: nothing of the speech is lost or heard twice, however the recording arrives."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.inference.segmenting import CHAPTER, LONGEST, OVERLAP, chapters
from speechmoe_espnet.inference.speech_finder import find_everything

RATE = 100  # one sample every 10 ms, so that hours are small arrays
PAUSE = 0.4


def speech_of(samples, rate, longest):
    """Find runs of ones; a run that is too long is cut where it is."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], samples > 0, [0]]).astype(int)))
    spans = []
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        step = int(longest * rate)
        spans += [(at, min(at + step, end)) for at in range(begin, end, step)]
    return spans


def cut(recording, sizes=None, finder=speech_of):
    ends = [] if sizes is None else np.cumsum(sizes)
    blocks = np.split(recording, [end for end in ends if end < len(recording)])
    found = list(chapters(blocks, RATE, finder))
    assert found[-1].num_samples == len(recording)
    return [segment for chapter in found for segment in chapter.segments]


@st.composite
def recordings(draw):
    parts = draw(
        st.lists(st.tuples(st.floats(0.5, 70), st.floats(0.5, 200)), min_size=1, max_size=8)
    )
    pieces = [
        np.concatenate([np.zeros(int(pause * RATE)), np.ones(int(speech * RATE))])
        for speech, pause in parts
    ]
    return np.concatenate(pieces).astype(np.float32)


@given(recordings(), st.lists(st.integers(1, 30000), max_size=5))
def test_speech_is_covered_once(recording, sizes):
    segments = cut(recording, sizes)
    covered = np.zeros(len(recording), int)
    for segment in segments:
        covered[segment.first : segment.last] += 1
        assert segment.begin <= segment.first < segment.last
        end = segment.begin + len(segment.samples)
        assert segment.last <= end <= len(recording)
        assert segment.seconds <= LONGEST + 2 * OVERLAP
        np.testing.assert_array_equal(segment.samples, recording[segment.begin : end])
    if len(recording) > LONGEST * RATE:
        np.testing.assert_array_equal(covered, recording > 0)
    assert [s.begin for s in cut(recording)] == [s.begin for s in segments]


@pytest.mark.parametrize("finder", [speech_of, find_everything])
@pytest.mark.parametrize("seconds", [30, CHAPTER - 0.5, CHAPTER, CHAPTER + 25, 3 * CHAPTER + 7])
def test_a_cut_within_speech_overlaps(finder, seconds):
    segments = cut(np.ones(int(seconds * RATE), np.float32), finder=finder)
    assert segments[0].begin == segments[0].first == 0
    for before, after in pairwise(segments):
        assert before.last == after.first
        assert after.first - after.begin == OVERLAP * RATE
        assert before.begin + len(before.samples) > before.last
    assert segments[-1].last == int(seconds * RATE)


def test_a_pause_does_not():
    recording = np.ones(4000, np.float32)
    recording[1500:1600] = 0
    recording[3000:3100] = 0
    assert [(s.begin, s.first, s.last) for s in cut(recording)] == [
        (0, 0, 1500),
        (1600, 1600, 3000),
        (3100, 3100, 4000),
    ]


def test_a_short_recording_is_one_segment_and_silence_none():
    recording = np.zeros(int(LONGEST * RATE), np.float32)
    assert cut(recording) == []
    recording[500:600] = recording[900:950] = 1
    (segment,) = cut(recording)
    assert (segment.begin, segment.first, segment.last) == (0, 0, len(recording))
