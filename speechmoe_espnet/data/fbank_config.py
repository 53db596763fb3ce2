"""Options of the features, separate from the computation so that reading them needs no torch."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import humanfriendly

from speechmoe_espnet.data.yaml_file import read_mapping

FRONTEND = "kaldi_fbank"
"""Name of the frontend that computes these features inside a model."""

LARGEST = {
    "num_mel_bins": 512,
    "frame_length": 1000.0,
    "frame_shift": 1000.0,
    "sample_frequency": 768_000,
    "dither": 32768.0,
}
"""Greatest values of numbers that the others do not limit."""
MEAN = "mean"
"""Instead of the number of a channel: the mean of all."""


@dataclass(frozen=True)
class FbankConfig:
    """Options of the features, with Kaldi's names.

    Attributes:
        num_mel_bins: Number of triangular mel filters.
        frame_length: Length of a frame in milliseconds.
        frame_shift: Time from one frame to the next in milliseconds.
        sample_frequency: Sample rate in Hz.
        low_freq: Lower edge of the lowest filter, Hz.
        high_freq: Upper edge of the highest filter, Hz; 0 or less counts down from half of
            sample_frequency.
        dither: Standard deviation of the noise added to 16-bit samples. The utterance id is the
            seed, so features do not depend on the number of processes.
        deltas: Whether to append first and second differences.
        resample: Whether to convert audio of another sample rate; otherwise it is an error. None:
            for a corpus of one's own alone.
        channel: What to take of audio with several channels: the number of one, from 1, or "mean";
            otherwise it is an error. None: "mean" for a corpus of one's own alone.
    """

    num_mel_bins: int = 40
    frame_length: float = 25.0
    frame_shift: float = 10.0
    sample_frequency: int = 16000
    low_freq: float = 20.0
    high_freq: float = 0.0
    dither: float = 0.0
    deltas: bool = False
    resample: bool | None = None
    channel: int | str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.default is not None:
                _check_type(field.name, getattr(self, field.name), type(field.default))
        if not (self.resample is None or isinstance(self.resample, bool)):
            raise ValueError(f"resample must be true or false, got {self.resample!r}")
        is_number = isinstance(self.channel, int) and not isinstance(self.channel, bool)
        if not (self.channel in (None, MEAN) or (is_number and int(self.channel) >= 1)):
            raise ValueError(
                f"channel must be {MEAN} or a number of at least 1, got {self.channel!r}"
            )
        for name, most in LARGEST.items():
            if getattr(self, name) <= 0 and name != "dither":
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
            if getattr(self, name) > most:
                raise ValueError(f"{name} must be at most {most}, got {getattr(self, name)}")
        if self.num_mel_bins < 4:
            raise ValueError(f"num_mel_bins must be at least 4, got {self.num_mel_bins}")
        for name, least, samples in (
            ("frame_length", 2, self.frame_samples),
            ("frame_shift", 1, self.shift_samples),
        ):
            if samples < least:
                raise ValueError(
                    f"{name} must be at least {least} samples, got {getattr(self, name)} ms "
                    f"(= {samples} samples at {self.sample_frequency} Hz)"
                )
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
            path: A mapping of option names to values; missing options have their defaults.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is not such a mapping, or an option is unknown or has a value that
                is not allowed.
        """
        return cls._from_mapping(read_mapping(path, allow_empty=True), str(path))

    @classmethod
    def from_frontend_conf(cls, conf: Mapping[str, Any]) -> Self:
        """Read options from the `frontend_conf` of `frontend: kaldi_fbank`.

        Args:
            conf: Options by name. `fs` is ESPnet's name of sample_frequency and may be text, such
                as 16k. `resample` must be false: a model does not know the rate of its input.

        Raises:
            ValueError: An option is unknown or has a value that is not allowed.
        """
        values = dict(conf)
        if (rate := values.pop("fs", None)) is not None:
            rate = _rate(rate)
            if values.setdefault("sample_frequency", rate) != rate:
                raise ValueError(
                    f"frontend_conf: fs {rate} and sample_frequency {values['sample_frequency']} "
                    f"are the same option; give one of them"
                )
        config = cls._from_mapping(values, "frontend_conf")
        if config.channel is not None:
            raise ValueError("frontend_conf: channel is not for a frontend, which is given one")
        if config.resample:
            raise ValueError(
                "frontend_conf: resample is not for a frontend, which does not know the rate of "
                "its input; convert recordings before, or set fs to their rate"
            )
        return config

    def frontend_conf(self) -> dict[str, Any]:
        """Return the options as the `frontend_conf` of `frontend: kaldi_fbank`."""
        options = asdict(self)
        for name in ("resample", "channel"):  # of recordings, which a frontend does not see
            del options[name]
        return {"fs": options.pop("sample_frequency"), **options}

    @classmethod
    def _from_mapping(cls, values: Mapping[str, Any], source: str) -> Self:
        allowed = {field.name for field in fields(cls)}
        if unknown := sorted(str(key) for key in values.keys() - allowed):
            raise ValueError(
                f"{source}: unknown options {', '.join(unknown)}; "
                f"allowed are {', '.join(sorted(allowed))}"
            )
        try:
            return cls(**values)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None

    def for_own_corpus(self) -> Self:
        """Return the options for a corpus that promises no format: what is left open converts."""
        return replace(
            self,
            resample=True if self.resample is None else self.resample,
            channel=MEAN if self.channel is None else self.channel,
        )

    @property
    def frame_samples(self) -> int:
        """Samples per frame, rounded down as in Kaldi."""
        return int(self.sample_frequency * self.frame_length * 0.001)

    @property
    def shift_samples(self) -> int:
        """Samples from one frame to the next, rounded down as in Kaldi."""
        return int(self.sample_frequency * self.frame_shift * 0.001)

    def num_frames(self, num_samples: Any) -> Any:
        """Return the number of whole frames in so many samples (int or tensor).

        Fewer samples than one frame give 0 or less.
        """
        return 1 + (num_samples - self.frame_samples) // self.shift_samples

    @property
    def feature_size(self) -> int:
        """Values per frame."""
        return self.num_mel_bins * (3 if self.deltas else 1)


def _rate(value: object) -> int:
    """Read a sample rate as ESPnet writes it: 16000, "16000" or "16k"."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return int(humanfriendly.parse_size(str(value)))
    except humanfriendly.InvalidSize:
        raise ValueError(f"frontend_conf: fs must be a rate in Hz, got {value!r}") from None


def _check_type(name: str, value: object, expected: type) -> None:
    allowed = (int, float) if expected is float else (expected,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and expected is not bool):
        raise ValueError(f"{name} must be {expected.__name__}, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
