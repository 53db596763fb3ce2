"""Transcripts as text, JSON, subtitles (SubRip, WebVTT) and NIST's CTM."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from speechmoe_espnet.inference.transcript import TimedText, TimedWord, Transcript

LONGEST_LINE = 7.0
"""Seconds of a subtitle; a longer segment is cut between words."""


def as_text(transcript: Transcript) -> str:
    """Return a line for each segment."""
    return "".join(f"{segment.text}\n" for segment in transcript.segments)


def as_json(transcript: Transcript) -> str:
    """Return one line: recording, seconds, text, and segments with words, times, confidences."""
    return json.dumps(as_dict(transcript), ensure_ascii=False, allow_nan=False) + "\n"


def as_dict(transcript: Transcript) -> dict[str, Any]:
    """Return what `as_json` writes."""
    return {
        "recording": transcript.recording,
        "seconds": round(transcript.seconds, 3),
        "text": transcript.text,
        "segments": [
            {
                "start": round(segment.start, 3),
                "end": round(segment.end, 3),
                "text": segment.text,
                "confidence": None if segment.confidence is None else round(segment.confidence, 4),
                "words": [
                    {
                        "text": word.text,
                        "start": round(word.start, 3),
                        "end": round(word.end, 3),
                        "confidence": round(word.confidence, 4),
                    }
                    for word in segment.words
                ],
            }
            for segment in transcript.segments
        ],
    }


def as_srt(transcript: Transcript) -> str:
    """Return SubRip subtitles."""
    return "".join(
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n\n"
        for number, (start, end, text) in enumerate(_lines(transcript), start=1)
    )


def as_vtt(transcript: Transcript) -> str:
    """Return WebVTT subtitles."""
    escaped = (
        (start, end, text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
        for start, end, text in _lines(transcript)
    )
    cues = (
        f"{_clock(start, '.')} --> {_clock(end, '.')}\n{text}\n\n" for start, end, text in escaped
    )
    return "WEBVTT\n\n" + "".join(cues)


def as_ctm(transcript: Transcript) -> str:
    """Return a line for each word: recording, channel, start, duration, word, confidence."""
    name = re.sub(r"\s", "_", Path(transcript.recording).stem)
    return "".join(
        f"{name} 1 {word.start:.3f} {word.end - word.start:.3f} {word.text} {word.confidence:.4f}\n"
        for segment in transcript.segments
        for word in segment.words
    )


WRITERS: Mapping[str, Callable[[Transcript], str]] = {
    "text": as_text,
    "json": as_json,
    "srt": as_srt,
    "vtt": as_vtt,
    "ctm": as_ctm,
}
SUFFIXES = {**{kind: f".{kind}" for kind in WRITERS}, "text": ".txt"}


def _lines(transcript: Transcript) -> Iterator[tuple[float, float, str]]:
    """Cut segments into subtitles: start, end, text."""
    for segment in transcript.segments:
        if segment.end - segment.start <= LONGEST_LINE or not segment.words:
            yield segment.start, segment.end, segment.text
            continue
        groups: list[list[TimedWord]] = [[]]
        for word in segment.words:
            if groups[-1] and word.end - groups[-1][0].start > LONGEST_LINE:
                groups.append([])
            groups[-1].append(word)
        for group, text in zip(groups, _texts(segment, groups), strict=True):
            yield group[0].start, group[-1].end, text


def _texts(segment: TimedText, groups: list[list[TimedWord]]) -> list[str]:
    """Divide a segment's text, with its spaces, among groups of its words."""
    place, texts = 0, []
    for group in groups:
        begin = place
        for word in group:
            place = segment.text.index(word.text, place) + len(word.text)
        texts.append(segment.text[begin:place].strip())
    return texts


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"
