"""Options of `specaug: vary`: which variations, and how strong; checked at the start."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

Range = tuple[float, float]


@dataclass(frozen=True)
class VariationOptions:
    """Options of FeatureVariation; without any, features stay as they are.

    A value is drawn uniformly from each range, once per utterance and batch.

    Attributes:
        num_mel_bins: Values per frame of the features, which must be log-mel energies.
        low_freq: Lower edge of the lowest mel filter, Hz.
        high_freq: Upper edge of the highest mel filter, Hz.
        frame_shift: Milliseconds from frame to frame.
        speed: Range of the factor of tempo; above 1 is faster and shorter. Pitch stays.
        warp: Range of the vocal tract length factor; above 1 moves formants down.
        reverb_time: Range of T60, the seconds in which a room's sound decays by 60 dB.
        reverb_prob: Probability that an utterance is reverberated.
        reverb_ratio: Range of the direct sound's level above the reverberation's, dB.
        noise_snr: Range of the utterance's mean power above the noise's, dB.
        noise_prob: Probability that noise is added to an utterance.
        noise_speech_prob: Probability that noise is another utterance of the batch rather than
            coloured noise. A batch of one utterance has coloured noise only.
        channel: Standard deviation of a random smooth frequency response, dB; 0 is none.
        low_pass: Range of the frequency from which a codec or a telephone takes the sound away, Hz.
        low_pass_prob: Probability that it does.
        high_pass: Range of the frequency below which a microphone takes the sound away, Hz.
        high_pass_prob: Probability that it does.
        gain: Range of the change of level, dB.
        num_time_masks: Masks along time for each utterance; 0 is none.
        time_mask_width: Greatest width of a mask along time, frames.
        time_mask_ratio: Greatest width of a mask along time as a share of the utterance.
        num_freq_masks: Masks along frequency for each utterance; 0 is none.
        freq_mask_width: Greatest width of a mask along frequency, mel bins.

    Raises:
        ValueError: Naming the option, what it got, what is allowed and the cure.
    """

    num_mel_bins: int = 40
    low_freq: float = 20.0
    high_freq: float = 8000.0
    frame_shift: float = 10.0
    speed: Range | None = None
    warp: Range | None = None
    reverb_time: Range | None = None
    reverb_prob: float = 0.5
    reverb_ratio: Range = (0.0, 10.0)
    noise_snr: Range | None = None
    noise_prob: float = 0.5
    noise_speech_prob: float = 0.5
    channel: float = 0.0
    low_pass: Range | None = None
    low_pass_prob: float = 0.3
    high_pass: Range | None = None
    high_pass_prob: float = 0.3
    gain: Range | None = None
    num_time_masks: int = 0
    time_mask_width: int = 20
    time_mask_ratio: float = 0.2
    num_freq_masks: int = 0
    freq_mask_width: int = 8

    def __post_init__(self) -> None:
        for name, lowest, highest in RANGES:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _checked_range(name, value, lowest, highest))
        if self.reverb_ratio is None:
            raise ValueError(
                "specaug_conf: reverb_ratio needs a range such as [0, 10]; "
                "reverb_time: null switches reverberation off"
            )
        for name, low, high in NUMBERS:
            _check_number(name, getattr(self, name), low, high)
        for name, least, most in (
            ("num_mel_bins", 4, 512),
            ("num_time_masks", 0, 100),
            ("time_mask_width", 1, 100_000),
            ("num_freq_masks", 0, 100),
            ("freq_mask_width", 1, self.num_mel_bins),
        ):
            value = getattr(self, name)
            if type(value) is not int:
                raise ValueError(f"specaug_conf: {name} must be a whole number, got {value!r}")
            _check_number(name, value, least, most)
        if self.low_freq >= self.high_freq:
            raise ValueError(
                f"specaug_conf: low_freq {self.low_freq} must be below high_freq "
                f"{self.high_freq}; use those of the features"
            )

    @classmethod
    def from_conf(cls, conf: Mapping[str, Any]) -> Self:
        """Read `specaug_conf`.

        Args:
            conf: Options by name; a number that is switched off may also be None.

        Raises:
            ValueError: Where an option is unknown or its value is not allowed.
        """
        known = {field.name: field.default for field in fields(cls)}
        unknown = sorted(set(conf) - set(known))
        if unknown:
            raise ValueError(
                f"specaug_conf: unknown key {unknown[0]!r}; specaug: vary takes {', '.join(known)}"
            )
        off = {name: 0 for name in OFF_AT_ZERO if name in conf and conf[name] is None}
        return cls(**{**conf, **off})

    @property
    def fastest(self) -> float:
        """The strongest speed-up that can be drawn."""
        return self.speed[1] if self.speed else 1.0


# Name, least and greatest value of each range.
RANGES = (
    ("speed", 0.25, 4.0),
    ("warp", 0.5, 2.0),
    ("reverb_time", 0.01, 10.0),
    ("reverb_ratio", -40.0, 60.0),
    ("noise_snr", -40.0, 80.0),
    ("low_pass", 100.0, 1e6),
    ("high_pass", 1.0, 1e6),
    ("gain", -80.0, 80.0),
)
NUMBERS = (
    ("low_freq", 0.0, 1e6),
    ("high_freq", 0.0, 1e6),
    ("frame_shift", 0.1, 1000.0),
    ("reverb_prob", 0.0, 1.0),
    ("noise_prob", 0.0, 1.0),
    ("noise_speech_prob", 0.0, 1.0),
    ("low_pass_prob", 0.0, 1.0),
    ("high_pass_prob", 0.0, 1.0),
    ("channel", 0.0, 40.0),
    ("time_mask_ratio", 0.0, 1.0),
)
OFF_AT_ZERO = (
    *("reverb_prob", "noise_prob", "channel", "low_pass_prob", "high_pass_prob"),
    *("num_time_masks", "num_freq_masks"),
)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_number(name: str, value: Any, lowest: float, highest: float) -> None:
    if not _is_number(value) or not lowest <= value <= highest:
        raise ValueError(
            f"specaug_conf: {name} must be a number from {lowest:g} to {highest:g}, got {value!r}"
        )


def _checked_range(name: str, value: Any, lowest: float, highest: float) -> Range:
    if (
        not isinstance(value, list | tuple)
        or len(value) != 2
        or not all(_is_number(end) and lowest <= end <= highest for end in value)
        or value[0] > value[1]
    ):
        raise ValueError(
            f"specaug_conf: {name} must be [low, high] with {lowest:g} <= low <= high <= "
            f"{highest:g}, got {value!r}; null switches it off"
        )
    return float(value[0]), float(value[1])
