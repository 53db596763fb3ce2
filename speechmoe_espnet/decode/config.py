"""How to decode, read from YAML and checked before a model is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import yaml

CTC_GREEDY = "ctc_greedy"
CTC_PREFIX_BEAM = "ctc_prefix_beam"
METHODS = (CTC_GREEDY, CTC_PREFIX_BEAM)
BEAM_OPTIONS = ("beam_size", "nbest", "max_units", "blank_threshold")


@dataclass(frozen=True)
class DecodeConfig:
    """A decode YAML.

    Attributes:
        method: ctc_greedy or ctc_prefix_beam.
        batch_frames: Input frames (of 10 ms, padding included) in a batch, at most; a longer
            utterance makes a batch of its own.
        beam_size: Prefixes kept an utterance. This and what follows: ctc_prefix_beam only.
        nbest: Hypotheses written an utterance, at most `beam_size`.
        max_units: Units that may start new prefixes in a frame; None: as many as make the
            result equal to trying all of them.
        blank_threshold: Blank probability from which on a frame is skipped; None: never.

    Raises:
        ValueError: A value is out of its range.
    """

    method: str = CTC_GREEDY
    batch_frames: int = 6000
    beam_size: int = 10
    nbest: int = 1
    max_units: int | None = None
    blank_threshold: float | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method: {self.method!r} is not one of {', '.join(METHODS)}")
        _check_count("batch_frames", self.batch_frames)
        _check_count("beam_size", self.beam_size)
        _check_count("nbest", self.nbest)
        if self.nbest > self.beam_size:
            raise ValueError(
                f"nbest: {self.nbest} is more than beam_size ({self.beam_size}); "
                f"the beam holds no more hypotheses than that"
            )
        if self.max_units is not None:
            _check_count("max_units", self.max_units)
        if self.blank_threshold is not None and not (
            isinstance(self.blank_threshold, int | float)
            and not isinstance(self.blank_threshold, bool)
            and 0.0 < self.blank_threshold <= 1.0
        ):
            raise ValueError(
                f"blank_threshold: {self.blank_threshold!r} is not a probability in (0, 1]; "
                f"null skips no frame"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make a configuration of named values.

        Args:
            values: Value by key; keys left out take their defaults.

        Raises:
            ValueError: A key is unknown or does not apply to the method, `method` is missing,
                or a value is out of its range.
        """
        allowed = [field.name for field in fields(cls)]
        if unknown := sorted(set(map(str, values)) - set(allowed)):
            raise ValueError(f"unknown key {', '.join(unknown)}; allowed are {', '.join(allowed)}")
        if "method" not in values:
            raise ValueError(f"method: missing; it is one of {', '.join(METHODS)}")
        useless = [name for name in BEAM_OPTIONS if name in values]
        if values["method"] == CTC_GREEDY and useless:
            raise ValueError(
                f"{', '.join(useless)}: no meaning with method {CTC_GREEDY}; "
                f"remove it, or set method: {CTC_PREFIX_BEAM}"
            )
        return cls(**values)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a decode YAML.

        Args:
            path: The file.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is not a mapping, or as `from_mapping`; the message names the file.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no decode configuration {path}")
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ValueError(f"{path}: not YAML: {error}") from None
        if not isinstance(values, dict):
            raise ValueError(f"{path}: expected `key: value` lines, got {values!r}")
        try:
            return cls.from_mapping(values)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}: {value!r} is not a whole number of at least 1")
