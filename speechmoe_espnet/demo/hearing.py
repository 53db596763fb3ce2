"""Results of several systems on one recording, a few minutes after the other."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speechmoe_espnet.decode.routing_summary import RoutingTotals
from speechmoe_espnet.inference.transcript import TimedText
from speechmoe_espnet.inference.transcription import Transcriber
from speechmoe_espnet.results.routing import RoutingExample

MAX_EXAMPLES = 3
"""Segments whose routing is drawn frame by frame."""


@dataclass(frozen=True)
class System:
    """A model that listens.

    Attributes:
        title: What the page calls it.
        transcriber: Transcribes by it.
    """

    title: str
    transcriber: Transcriber


@dataclass(frozen=True)
class Answer:
    """What a system has heard so far.

    Attributes:
        title: That of the system.
        seconds: Seconds of the recording.
        took: Seconds of computation.
        texts: Segments with text, in order of time.
        routing: Routing totals; without layers where there are no experts.
        examples: Routing of the first segments, frame by frame.
    """

    title: str
    seconds: float = 0.0
    took: float = 0.0
    texts: tuple[TimedText, ...] = ()
    routing: RoutingTotals = field(default_factory=RoutingTotals)
    examples: tuple[RoutingExample, ...] = ()


def hear(systems: Sequence[System], path: Path) -> Iterator[tuple[Answer, ...]]:
    """Let systems transcribe a recording.

    Args:
        systems: At least one.
        path: The recording.

    Yields:
        An answer of each system, after every few minutes of the recording.

    Raises:
        OSError: The recording cannot be opened.
        ValueError: It cannot be transcribed.
    """
    answers = [Answer(system.title) for system in systems]
    for index, system in enumerate(systems):
        for answer in _answers(system, path):
            answers[index] = answer
            yield tuple(answers)


def _answers(system: System, path: Path) -> Iterator[Answer]:
    answer = Answer(system.title)
    begun = time.perf_counter()
    for part in system.transcriber.parts(path, num_examples=MAX_EXAMPLES):
        took = answer.took + time.perf_counter() - begun
        examples = (RoutingExample.of(arrays, path.name) for arrays in part.examples)
        answer = Answer(
            system.title,
            part.seconds,
            took,
            (*answer.texts, *part.texts),
            answer.routing + part.routing,
            (*answer.examples, *examples),
        )
        yield answer
        begun = time.perf_counter()
