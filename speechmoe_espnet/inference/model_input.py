"""Input of a model, made of a recording, samples or features."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speechmoe_espnet.data.audio import read_audio
from speechmoe_espnet.data.fbank_config import MEAN, FbankConfig
from speechmoe_espnet.data.features import compute_features
from speechmoe_espnet.data.samples import as_float, check_rate, resampled
from speechmoe_espnet.data.waveform import as_array, as_waveform
from speechmoe_espnet.inference.recognizer import SHORTEST_SPEECH


def model_input(
    speech: Any, rate: int, name: str, *, sample_rate: int, fbank: FbankConfig | None
) -> tuple[torch.Tensor | None, float]:
    """Convert an utterance.

    Args:
        speech: Path of a recording, samples, or features (T, F) for a model that takes them.
        rate: Sample rate of samples in Hz.
        name: Its name, the seed of the dither.
        sample_rate: Of the model, in Hz.
        fbank: Features of the model; None if it takes samples.

    Returns:
        Samples (num_samples,) or features (T, F), None for too little of them, and the duration in
        seconds.

    Raises:
        FileNotFoundError: There is no such recording.
        ValueError: The recording cannot be read, or type, shape, range or rate of samples have no
            plain meaning.
    """
    if isinstance(speech, str | Path):
        if not Path(speech).is_file():
            raise FileNotFoundError(f"{speech}: no such file")
        samples, rate = read_audio(speech, channel=MEAN)
    else:
        array = as_array(speech)
        if fbank is not None and array.ndim == 2 and array.shape[1] == fbank.feature_size:
            return _features(array, fbank)
        samples = as_waveform(array)
    if isinstance(rate, bool) or not (isinstance(rate, int) and rate > 0):
        raise ValueError(f"rate must be a sample rate in Hz above 0, got {rate!r}")
    check_rate(rate)
    seconds = len(samples) / rate
    if seconds < SHORTEST_SPEECH:
        return None, seconds
    samples = as_float(resampled(samples, rate, sample_rate))
    if fbank is None:
        return torch.from_numpy(samples), seconds
    if len(samples) < fbank.frame_samples:
        return None, seconds
    return torch.from_numpy(compute_features(samples, sample_rate, fbank, name)), seconds


def _features(array: NDArray[Any], fbank: FbankConfig) -> tuple[torch.Tensor | None, float]:
    seconds = len(array) * fbank.frame_shift / 1000
    if seconds < SHORTEST_SPEECH:
        return None, seconds
    if not np.isfinite(array).all():
        raise ValueError("features are not finite")
    return torch.from_numpy(array.astype(np.float32)), seconds
