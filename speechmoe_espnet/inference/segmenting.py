"""Segments of a recording of any length: cut at pauses, overlapping where there is none.

The recording comes in blocks and is looked at in chapters of a few minutes. What is not finished at
the end of a chapter begins the next one, so memory does not grow with the recording.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.inference.speech_finder import SpeechFinder

LONGEST = 20.0
"""Seconds of a segment, without overlap: utterances that models are trained on are shorter."""
OVERLAP = 1.0
"""Seconds that two segments share on each side of a cut within speech."""
CHAPTER = 180.0
_REST = 1.0
"""Seconds at the end of a chapter: speech that ends within them may go on in the next one."""


@dataclass(frozen=True)
class Segment:
    """A part of a recording, with the neighbourhood that helps to recognise it.

    Attributes:
        samples: (num_samples,) from `begin` on.
        rate: Hz.
        begin: First sample in the recording.
        first: First sample in the recording that is not left to the segment before.
        last: Sample after the last one that is not left to the next segment.
    """

    samples: NDArray[np.float32] = field(repr=False)
    rate: int
    begin: int
    first: int
    last: int

    @property
    def name(self) -> str:
        """Position as a name, which sorts by time."""
        return f"{self.begin:012}"

    @property
    def seconds(self) -> float:
        """Duration with neighbourhood."""
        return len(self.samples) / self.rate

    @property
    def num_frames(self) -> int:
        """Duration in frames of 10 ms, at least 1."""
        return max(1, round(self.seconds * 100))


@dataclass
class Chapter:
    """Finished segments, and how far the recording is finished by them.

    Attributes:
        segments: In order of time.
        num_samples: Samples of the recording up to here.
    """

    segments: list[Segment]
    num_samples: int


def chapters(
    blocks: Iterable[NDArray[np.float32]], rate: int, find_speech: SpeechFinder
) -> Iterator[Chapter]:
    """Cut a recording.

    A recording of at most LONGEST seconds with speech in it is one segment, from its first sample
    to its last.

    Args:
        blocks: The recording, in blocks (num_samples,) of any sizes.
        rate: Hz.
        find_speech: Finds speech in a chapter.

    Yields:
        Chapters; where the blocks begin and end has no influence. Without speech they are empty.
    """
    cutter = _Cutter(rate, find_speech)
    waiting: list[NDArray[np.float32]] = []
    count = 0
    wanted = int(CHAPTER * rate)
    for block in blocks:
        place = 0
        while count + len(block) - place > wanted:  # the last chapter is never empty
            part = block[place : place + wanted - count]
            yield cutter.cut(np.concatenate([*waiting, part]), is_last=False)
            place += len(part)
            waiting, count = [], 0
        waiting.append(block[place:])
        count += len(block) - place
    if waiting:
        yield cutter.cut(np.concatenate(waiting), is_last=True)


class _Cutter:
    """Cuts chapters, and keeps what is not finished.

    Attributes:
        rest: Samples of earlier chapters that are needed again.
        begin: Place of their first in the recording.
        joins: Place of a cut within speech at which the next segment begins; None without one.
    """

    def __init__(self, rate: int, find_speech: SpeechFinder) -> None:
        self.rate = rate
        self.find_speech = find_speech
        self.rest: NDArray[np.float32] = np.zeros(0, np.float32)
        self.begin = 0
        self.joins: int | None = None

    def cut(self, samples: NDArray[np.float32], *, is_last: bool) -> Chapter:
        samples = np.concatenate([self.rest, samples])
        begin, end = self.begin, self.begin + len(samples)
        skipped = 0 if self.joins is None else self.joins - begin
        found = self.find_speech(samples[skipped:], self.rate, LONGEST)
        spans = [(start + begin + skipped, stop + begin + skipped) for start, stop in found]
        if begin == 0 and is_last and spans and len(samples) <= LONGEST * self.rate:
            spans = [(0, end)]
        kept = len(spans)
        if not is_last and spans and spans[-1][1] > end - int(_REST * self.rate):
            kept -= 1
        segments = [self._segment(samples, spans, number) for number in range(kept)]
        if kept < len(spans):
            begins = spans[kept][0]
            self.joins = begins if self._is_joined(spans, kept) else None
        else:
            begins, self.joins = (
                max(end - int(_REST * self.rate), spans[-1][1] if spans else 0),
                None,
            )
        self.begin = max(begin, begins - (0 if self.joins is None else self._overlap))
        self.rest = samples[self.begin - begin :].copy()
        return Chapter(segments, end)

    @property
    def _overlap(self) -> int:
        return int(OVERLAP * self.rate)

    @property
    def _tolerance(self) -> int:
        """A millisecond: ends are rounded to the samples of another rate."""
        return self.rate // 1000

    def _is_joined(self, spans: list[tuple[int, int]], number: int) -> bool:
        """Whether a span begins where the one before ends: within speech."""
        if number == 0:
            return self.joins is not None and spans[0][0] - self.joins <= self._tolerance
        return spans[number][0] - spans[number - 1][1] <= self._tolerance

    def _segment(
        self, samples: NDArray[np.float32], spans: list[tuple[int, int]], number: int
    ) -> Segment:
        first, last = spans[number]
        goes_on = number + 1 < len(spans) and self._is_joined(spans, number + 1)
        begin = first - self._overlap if self._is_joined(spans, number) else first
        end = last + self._overlap if goes_on else last
        begin = max(begin, self.begin)
        return Segment(
            samples[begin - self.begin : end - self.begin].copy(), self.rate, begin, first, last
        )
