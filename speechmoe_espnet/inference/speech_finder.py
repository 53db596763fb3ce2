"""Where speech is in a recording, by Silero VAD: a small network that its wheel brings along."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.samples import resampled

SILERO, NONE = "silero", "none"
KINDS = (SILERO, NONE)
VAD_RATE = 16000
LEAST_PAUSE = 0.5
"""Seconds without speech that end a segment."""
LEAST_SPEECH = 0.1
MARGIN = 0.2
"""Seconds kept before and after speech."""

type Spans = Sequence[tuple[int, int]]
"""First sample and the one after the last, ascending, not overlapping."""

SpeechFinder = Callable[[NDArray[np.float32], int, float], Spans]
"""From samples (num_samples,), their rate in Hz and the longest span in seconds to spans."""


def make_speech_finder(kind: str) -> SpeechFinder:
    """Make the finder of a name.

    Args:
        kind: silero, or none: everything is speech.

    Raises:
        ValueError: The name is unknown, or the package of the finder is not installed.
    """
    if kind == SILERO:
        return SileroFinder()
    if kind == NONE:
        return find_everything
    raise ValueError(f"vad: {kind!r} is not one of {', '.join(KINDS)}")


def find_everything(samples: NDArray[np.float32], rate: int, longest: float) -> Spans:
    """Return spans of the longest length that cover all samples."""
    step = int(longest * rate)
    return [(begin, min(begin + step, len(samples))) for begin in range(0, len(samples), step)]


class SileroFinder:
    """Silero VAD through onnxruntime, a block of 16 s at a time.

    A span that grows too long is cut at its longest pause, or, without any, where it is too long.

    Raises:
        ValueError: silero-vad or onnxruntime is not installed.
    """

    def __init__(self) -> None:
        import torch  # takes seconds, which mistakes in options need not wait for

        threads = torch.get_num_threads()
        try:
            import silero_vad

            self._model: Any = silero_vad.load_silero_vad(sequence=True)
        except ImportError as error:
            raise ValueError(
                f"recordings are cut at pauses by silero-vad, which is not installed ({error}); "
                f"`pip install silero-vad onnxruntime`, or --vad {NONE}"
            ) from None
        finally:
            torch.set_num_threads(threads)  # its import sets one for all of the process
        self._find = silero_vad.get_speech_timestamps_sequence

    def __call__(self, samples: NDArray[np.float32], rate: int, longest: float) -> Spans:
        """Return the spans of speech."""
        found = self._find(
            resampled(samples, rate, VAD_RATE),
            self._model,
            sampling_rate=VAD_RATE,
            max_speech_duration_s=longest,
            min_silence_duration_ms=round(LEAST_PAUSE * 1000),
            min_speech_duration_ms=round(LEAST_SPEECH * 1000),
            speech_pad_ms=round(MARGIN * 1000),
        )
        scale = rate / VAD_RATE
        spans = ((round(f["start"] * scale), round(f["end"] * scale)) for f in found)
        return [(start, min(end, len(samples))) for start, end in spans if start < len(samples)]
