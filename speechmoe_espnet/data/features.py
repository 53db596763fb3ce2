"""Log-mel filter banks as Kaldi computes them, the input that the paper and Kaldi users know."""

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import soxr
import torch
import yaml
from numpy.typing import NDArray
from torchaudio.compliance import kaldi

INT16_SCALE = 32768.0
DELTA_WINDOW = 2


@dataclass(frozen=True)
class FbankConfig:
    """Options of the features, named as Kaldi names them.

    Attributes:
        num_mel_bins: Number of triangular mel filters.
        frame_length: Milliseconds.
        frame_shift: Milliseconds.
        sample_frequency: Hz.
        low_freq: Lower edge of the lowest filter, Hz.
        high_freq: Upper edge of the highest filter, Hz; 0 or less counts down from half of
            sample_frequency.
        dither: Standard deviation of the noise added to 16-bit samples; its seed is the
            utterance id, so features do not depend on the number of processes.
        deltas: Whether to append first and second differences.
        resample: Whether to convert audio of another sample rate rather than to refuse it.
    """

    num_mel_bins: int = 40
    frame_length: float = 25.0
    frame_shift: float = 10.0
    sample_frequency: int = 16000
    low_freq: float = 20.0
    high_freq: float = 0.0
    dither: float = 0.0
    deltas: bool = False
    resample: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_type(field.name, getattr(self, field.name), type(field.default))
        for name in ("num_mel_bins", "frame_length", "frame_shift", "sample_frequency"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.num_mel_bins < 4:
            raise ValueError(f"num_mel_bins must be at least 4, got {self.num_mel_bins}")
        if self.dither < 0:
            raise ValueError(f"dither must be at least 0, got {self.dither}")
        nyquist = self.sample_frequency / 2
        high = self.high_freq if self.high_freq > 0 else nyquist + self.high_freq
        if not 0 <= self.low_freq < high <= nyquist:
            raise ValueError(
                f"0 <= low_freq < high_freq <= {nyquist} (half of sample_frequency) is needed, "
                f"got low_freq {self.low_freq}, high_freq {self.high_freq} (= {high} Hz)"
            )

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read options from a YAML file.

        Args:
            path: A mapping of option names to values; options left out have their defaults.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is not such a mapping, or an option is unknown or not allowed.
        """
        try:
            values: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ValueError(f"{path}: not YAML: {error}") from None
        values = {} if values is None else values
        if not isinstance(values, dict):
            raise ValueError(f"{path}: expected `option: value` lines, got {values!r}")
        allowed = {field.name for field in fields(cls)}
        if unknown := sorted(str(key) for key in values.keys() - allowed):
            raise ValueError(
                f"{path}: unknown options {', '.join(unknown)}; "
                f"allowed are {', '.join(sorted(allowed))}"
            )
        try:
            return cls(**values)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    @property
    def feature_size(self) -> int:
        """Values a frame."""
        return self.num_mel_bins * (3 if self.deltas else 1)


def _check_type(name: str, value: object, expected: type) -> None:
    allowed = (int, float) if expected is float else (expected,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and expected is not bool):
        raise ValueError(f"{name} must be {expected.__name__}, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")


def compute_features(
    samples: NDArray[np.float32], rate: int, config: FbankConfig, utterance: str
) -> NDArray[np.float32]:
    """Compute the features of one utterance.

    Args:
        samples: (num_samples,) in [-1, 1).
        rate: Sample rate of the samples, Hz.
        config: Options.
        utterance: Id, the seed of the dither.

    Returns:
        (num_frames, config.feature_size), natural logarithms.

    Raises:
        ValueError: The rate is not the options' and they do not ask to resample, there are too
            few samples for one frame, or a feature is not finite.
    """
    if rate != config.sample_frequency:
        if not config.resample:
            raise ValueError(
                f"sample rate is {rate} Hz, {config.sample_frequency} is expected; set "
                f"`resample: true` to convert it, or sample_frequency to the corpus's rate"
            )
        samples = soxr.resample(samples, rate, config.sample_frequency)
    if len(samples) < int(config.sample_frequency * config.frame_length * 0.001):
        milliseconds = 1000 * len(samples) / config.sample_frequency
        raise ValueError(
            f"lasts {milliseconds:.1f} ms, too short for one frame of {config.frame_length} ms"
        )
    with torch.random.fork_rng(devices=[], enabled=config.dither > 0):
        if config.dither > 0:
            torch.manual_seed(zlib.crc32(utterance.encode()))
        fbank = kaldi.fbank(
            torch.from_numpy(samples * np.float32(INT16_SCALE)).unsqueeze(0),
            num_mel_bins=config.num_mel_bins,
            frame_length=config.frame_length,
            frame_shift=config.frame_shift,
            sample_frequency=config.sample_frequency,
            low_freq=config.low_freq,
            high_freq=config.high_freq,
            dither=config.dither,
        )
    features: NDArray[np.float32] = fbank.numpy()
    if not np.isfinite(features).all():
        raise ValueError("features are not finite")
    return add_deltas(features) if config.deltas else features


def add_deltas(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Append first and second differences as Kaldi's add-deltas does (window 2).

    Args:
        features: (num_frames, size).

    Returns:
        (num_frames, 3 * size).
    """
    shifts = np.arange(-DELTA_WINDOW, DELTA_WINDOW + 1)
    slope = shifts / np.sum(shifts**2)
    parts = [features]
    for scales in (slope, np.convolve(slope, slope)):
        half = len(scales) // 2
        padded = np.pad(features, ((half, half), (0, 0)), mode="edge")
        delta = np.zeros_like(features)
        for shift, scale in enumerate(scales):
            delta += np.float32(scale) * padded[shift : shift + len(features)]
        parts.append(delta)
    return np.concatenate(parts, axis=1)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch use one thread: the processes share the cores, and results stay the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
