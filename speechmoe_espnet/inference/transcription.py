"""Transcription of recordings of any length, in memory that does not grow with it."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from speechmoe_espnet.data.audio_blocks import audio_blocks
from speechmoe_espnet.data.fbank_config import MEAN, FbankConfig
from speechmoe_espnet.data.features import compute_features
from speechmoe_espnet.data.samples import as_float, one_channel
from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.decode.routing_summary import RoutingTotals
from speechmoe_espnet.decode.search.timed import TimedSearch
from speechmoe_espnet.inference.recognizer import SHORTEST_SPEECH, Recognizer
from speechmoe_espnet.inference.segmenting import Chapter, Segment, chapters
from speechmoe_espnet.inference.speech_finder import SpeechFinder
from speechmoe_espnet.inference.transcript import TimedText, Transcript, timed_text
from speechmoe_espnet.inference.utterances import make_batches

BATCH_FRAMES = DecodeConfig.batch_frames


@dataclass
class Part:
    """A few minutes of a recording.

    Attributes:
        seconds: Seconds of the recording up to its end.
        texts: Segments that were finished, in order of time.
        routing: Routing totals of the frames of these segments.
        examples: Routing of some of them frame by frame, as `Recognizer.example` returns it.
    """

    seconds: float
    texts: list[TimedText] = field(default_factory=list)
    routing: RoutingTotals = field(default_factory=RoutingTotals)
    examples: list[dict[str, NDArray[Any]]] = field(default_factory=list)


class Transcriber:
    """Recognises recordings: cut at pauses, in batches of segments of similar length.

    Args:
        recognizer: Recogniser of segments.
        sample_rate: Of the model, in Hz.
        fbank: Features of the model; None if it takes samples.
        find_speech: Finds speech, see `make_speech_finder`.
        batch_frames: Maximum number of frames (10 ms each, padding included) in a batch.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        sample_rate: int,
        fbank: FbankConfig | None,
        find_speech: SpeechFinder,
        batch_frames: int = BATCH_FRAMES,
    ) -> None:
        self._recognizer = copy.copy(recognizer)
        self._recognizer.search = TimedSearch(recognizer.search, int(recognizer.model.blank_id))
        self.sample_rate = sample_rate
        self.fbank = fbank
        self.find_speech = find_speech
        self.batch_frames = batch_frames

    def __call__(self, path: str | Path, channel: int | str = MEAN) -> Transcript:
        """Transcribe a recording.

        Args:
            path: A file in any container that libsndfile or PyAV opens.
            channel: The channel to take, from 1, or "mean".

        Returns:
            Its transcript, which has no segments where there is no speech.

        Raises:
            OSError: The file cannot be opened.
            ValueError: The file cannot be read, is cut, protected, without audio or shorter than
                SHORTEST_SPEECH, or holds no such channel or values that are not finite. The message
                does not name the file.
        """
        seconds, segments = 0.0, []
        for part in self.parts(path, channel):
            seconds = part.seconds
            segments += part.texts
        return Transcript(str(path), seconds, tuple(segments))

    def parts(
        self, path: str | Path, channel: int | str = MEAN, *, num_examples: int = 0
    ) -> Iterator[Part]:
        """Transcribe a recording, a few minutes after the other.

        Args:
            path: As `__call__`.
            channel: As `__call__`.
            num_examples: Of how many segments, the first with text, the routing is returned frame
                by frame; none for a model without experts.

        Raises:
            OSError: As `__call__`.
            ValueError: As `__call__`.
        """
        if Path(path).is_dir():
            raise ValueError("is a folder; name the recordings in it")
        blocks = mono_blocks(path, self.sample_rate, channel)
        for chapter in chapters(blocks, self.sample_rate, self.find_speech):
            seconds = chapter.num_samples / self.sample_rate
            if seconds < SHORTEST_SPEECH:
                raise ValueError(
                    f"lasts {1000 * seconds:.0f} ms; speech takes at least "
                    f"{1000 * SHORTEST_SPEECH:.0f} ms"
                )
            part = self._part(seconds, chapter, num_examples)
            num_examples -= len(part.examples)
            yield part

    def _part(self, seconds: float, chapter: Chapter, num_examples: int) -> Part:
        part = Part(seconds)
        texts = {}
        for batch in make_batches(chapter.segments, self.batch_frames):
            inputs = [self._input(segment) for segment in batch]
            lengths = torch.tensor([len(values) for values in inputs])
            device = self._recognizer.device
            results, counted = self._recognizer.recognize_inputs(
                [(segment.name, segment.seconds) for segment in batch],
                pad_sequence(inputs, batch_first=True).to(device),
                lengths.to(device),
            )
            part.routing += counted
            for segment, recognized in zip(batch, results, strict=True):
                texts[segment.begin] = timed_text(segment, recognized, self._recognizer.text)
        written = [segment for segment in chapter.segments if texts[segment.begin].text]
        part.texts = [texts[segment.begin] for segment in written]
        if part.routing.layers:
            examples = map(self._example, written[:num_examples])
            part.examples = [example for example in examples if example is not None]
        return part

    def _example(self, segment: Segment) -> dict[str, NDArray[Any]] | None:
        inputs = self._input(segment)[None].to(self._recognizer.device)
        lengths = torch.tensor([inputs.size(1)], device=inputs.device)
        start = segment.begin / segment.rate
        name = f"{start:.1f} to {start + segment.seconds:.1f} s"
        return self._recognizer.example_of_input(name, inputs, lengths)

    def _input(self, segment: Segment) -> torch.Tensor:
        if self.fbank is None:
            return torch.from_numpy(segment.samples)
        samples = segment.samples
        if len(samples) < self.fbank.frame_samples:  # so short that nothing is recognised in it
            samples = np.pad(samples, (0, self.fbank.frame_samples - len(samples)))
        return torch.from_numpy(compute_features(samples, segment.rate, self.fbank, segment.name))


def reason(error: Exception) -> str:
    """Return why a recording could not be transcribed, without its name."""
    if isinstance(error, UnicodeEncodeError):
        return "its name is not UTF-8; rename it"
    said = error.strerror if isinstance(error, OSError) else None
    return said or str(error)


def no_speech(seconds: float) -> str:
    """Return what is said of a recording that gave no text."""
    return f"no speech found in {seconds:.1f} s"


def mono_blocks(
    path: str | Path, rate: int, channel: int | str = MEAN
) -> Iterator[NDArray[np.float32]]:
    """Read a recording in blocks of one channel at one sample rate.

    The result is that of converting the whole at once, to the bit.

    Args:
        path: A file in any container that libsndfile or PyAV opens.
        rate: Wanted sample rate in Hz.
        channel: The channel to take, from 1, or "mean".

    Yields:
        (num_samples,) in [-1, 1).

    Raises:
        OSError: As `audio_blocks`.
        ValueError: As `audio_blocks`, or there is no such channel.
    """
    import soxr

    stream = None
    for samples, found in audio_blocks(path):
        block = as_float(one_channel(samples, channel))
        if found == rate:
            yield block
            continue
        stream = stream or soxr.ResampleStream(found, rate, 1, dtype="float32")
        yield stream.resample_chunk(block)
    if stream is not None:
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
