"""Transcripts: what was said in a recording, and when."""

from collections.abc import Sequence
from dataclasses import dataclass

from speechmoe_espnet.decode.recognized import Recognized
from speechmoe_espnet.decode.unit_text import UnitText, join_words
from speechmoe_espnet.inference.segmenting import Segment


@dataclass(frozen=True)
class TimedWord:
    """A word, a character or a syllable: what the model and its search write.

    Attributes:
        text: As written.
        start: Seconds from the beginning of the recording.
        end: Seconds.
        confidence: Mean over its units of the posterior at their peak, from 0 to 1. It ranks words
            of one model; it is no probability of being right.
    """

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class TimedText:
    """A part of a recording between two pauses.

    Attributes:
        start: Seconds.
        end: Seconds.
        text: The text.
        words: Its words; empty where the search gives no times.
    """

    start: float
    end: float
    text: str
    words: tuple[TimedWord, ...]

    @property
    def confidence(self) -> float | None:
        """Mean over the words; None without words."""
        if not self.words:
            return None
        return sum(word.confidence for word in self.words) / len(self.words)


@dataclass(frozen=True)
class Transcript:
    """The text of a recording.

    Attributes:
        recording: Its name.
        seconds: Its duration.
        segments: In order of time; without speech there are none.
    """

    recording: str
    seconds: float
    segments: tuple[TimedText, ...]

    @property
    def text(self) -> str:
        """All segments, separated by spaces."""
        return " ".join(segment.text for segment in self.segments)


def timed_text(segment: Segment, recognized: Recognized, text: UnitText) -> TimedText:
    """Place what was recognised in the recording.

    Where segments overlap, each keeps the words whose middle lies on its side of the cut.

    Args:
        segment: The segment.
        recognized: Its best hypothesis, from a `TimedSearch`.
        text: Converts units to text.
    """
    start, end = segment.first / segment.rate, segment.last / segment.rate
    hypothesis = recognized.hypotheses[0]
    spans, confidences = hypothesis.unit_frames, hypothesis.unit_confidences
    if spans is None or confidences is None:
        return TimedText(start, end, recognized.texts[0], ())
    begin, step = segment.begin / segment.rate, recognized.frame_seconds
    is_first = segment.begin == segment.first
    is_last = segment.begin + len(segment.samples) == segment.last

    def is_kept(span: tuple[int, int]) -> bool:
        middle = begin + (span[0] + span[1]) / 2 * step
        return (is_first or middle >= start) and (is_last or middle < end)

    def word(string: str, span: tuple[int, int], certain: Sequence[float]) -> TimedWord:
        first, last = (begin + frame * step for frame in span)
        return TimedWord(string, first, last, sum(certain) / max(1, len(certain)))

    words = []
    if hypothesis.words is not None:
        for found in hypothesis.words:
            inside = [
                confidence
                for confidence, (first, last) in zip(confidences, spans, strict=True)
                if first >= found.start and last <= found.end
            ]
            if is_kept((found.start, found.end)):
                words.append(word(found.text, (found.start, found.end), inside))
        string = join_words([kept.text for kept in words])
    else:
        kept_units: list[int] = []
        for shown, first, last in text.words(hypothesis.units):
            span = (spans[first][0], spans[last - 1][1])
            if is_kept(span):
                words.append(word(shown, span, confidences[first:last]))
                kept_units.append(first)
        string = recognized.texts[0]
        if len(kept_units) < len(text.words(hypothesis.units)):
            string = _text_between(hypothesis.units, kept_units, text)
    return TimedText(start, end, string, tuple(words))


def _text_between(units: Sequence[int], starts: Sequence[int], text: UnitText) -> str:
    """Return the text from the first to the last word kept, whose first units are given."""
    if not starts:
        return ""
    ends = {first: last for _, first, last in text.words(units)}
    return text(units[starts[0] : ends[starts[-1]]])
