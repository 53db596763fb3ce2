"""Decode configuration, read from YAML and checked before a model is loaded."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from speechmoe_espnet.data.yaml_file import read_mapping

CTC_GREEDY = "ctc_greedy"
CTC_PREFIX_BEAM = "ctc_prefix_beam"
WFST = "wfst"
ESPNET_JOINT = "espnet_joint"

_WEIGHTS = ("lm_weight", "insertion_bonus")
OPTIONS: Mapping[str, tuple[str, ...]] = {
    CTC_GREEDY: (),
    CTC_PREFIX_BEAM: ("beam_size", "nbest", "max_units", "blank_threshold", "use_ngram", *_WEIGHTS),
    WFST: (
        *("beam", "max_active", "acoustic_scale", *_WEIGHTS),
        *("nbest", "lattice_beam", "write_lattices", "blank_threshold"),
    ),
    ESPNET_JOINT: ("beam_size", "nbest", "ctc_weight", "penalty", "maxlenratio", "minlenratio"),
}
"""Keys of each method, in addition to method and batch_frames."""
METHODS = tuple(OPTIONS)
# Greatest values: of whole numbers from 1, of positive numbers, and of numbers without their sign.
_COUNTS = {
    "batch_frames": 1_000_000,
    "beam_size": 10_000,
    "nbest": 10_000,
    "max_units": 1_000_000,
    "max_active": 100_000_000,
}
_POSITIVE = {"beam": 1e4, "acoustic_scale": 1e4, "lm_weight": 1e4, "lattice_beam": 1e4}
_NUMBERS = {"insertion_bonus": 1e4, "penalty": 1e4, "maxlenratio": 1e6, "minlenratio": 1e6}


@dataclass(frozen=True)
class DecodeConfig:
    """A decode YAML.

    Attributes:
        method: ctc_greedy, ctc_prefix_beam, wfst or espnet_joint.
        batch_frames: Maximum number of input frames (10 ms each, padding included) in a batch; a
            longer utterance is a batch of its own.
        beam_size: Prefixes kept per utterance (ctc_prefix_beam, espnet_joint).
        nbest: Hypotheses written per utterance; at most beam_size for methods that have it.
        max_units: Number of units that may extend prefixes in a frame; None: enough to make the
            result without an n-gram equal to trying all of them.
        blank_threshold: Frames with at least this blank probability are skipped; None: never.
        use_ngram: Whether ctc_prefix_beam adds an n-gram model over units.
        beam: wfst: paths worse than the best by more than this are dropped.
        max_active: wfst: maximum number of paths kept per frame; None: no limit besides the beam.
        acoustic_scale: wfst: factor of acoustic log-probabilities.
        lm_weight: Factor of the log-probabilities of the n-gram or the graph.
        insertion_bonus: Added to the score for each unit.
        lattice_beam: wfst: lattice paths worse than the best by more than this are dropped.
        write_lattices: wfst: whether lattices are written.
        ctc_weight: espnet_joint: weight of CTC; the attention decoder has the rest. None: 0.5 for a
            model with both.
        penalty: espnet_joint: added to the score for each unit.
        maxlenratio: espnet_joint: maximum number of units per encoder frame.
        minlenratio: espnet_joint: minimum number of units per encoder frame.

    Raises:
        ValueError: A value is out of its range, or two of them contradict each other.
    """

    method: str = CTC_GREEDY
    batch_frames: int = 6000
    beam_size: int = 10
    nbest: int = 1
    max_units: int | None = None
    blank_threshold: float | None = None
    use_ngram: bool = False
    beam: float = 10.0
    max_active: int | None = None
    acoustic_scale: float = 1.0
    lm_weight: float = 1.0
    insertion_bonus: float = 0.0
    lattice_beam: float = 8.0
    write_lattices: bool = False
    ctc_weight: float | None = None
    penalty: float = 0.0
    maxlenratio: float = 0.0
    minlenratio: float = 0.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method: {self.method!r} is not one of {', '.join(METHODS)}")
        for name, most in _COUNTS.items():
            if getattr(self, name) is not None or name not in ("max_units", "max_active"):
                _check_count(name, getattr(self, name), most)
        for name, greatest in _POSITIVE.items():
            _check_number(name, getattr(self, name), greatest, positive=True)
        for name, greatest in _NUMBERS.items():
            _check_number(name, getattr(self, name), greatest)
        for name in ("use_ngram", "write_lattices"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}: {getattr(self, name)!r} is not true or false")
        for name in ("blank_threshold", "ctc_weight"):
            if getattr(self, name) is not None:
                _check_probability(name, getattr(self, name))
        if self.method in (CTC_PREFIX_BEAM, ESPNET_JOINT) and self.nbest > self.beam_size:
            raise ValueError(
                f"nbest: {self.nbest} is more than beam_size ({self.beam_size}); "
                f"the beam holds no more hypotheses than that"
            )
        if self.method == WFST and self.max_active is not None:
            wanted = f"nbest: {self.nbest}" if self.nbest > 1 else ""
            wanted = "write_lattices: true" if self.write_lattices else wanted
            if wanted:
                raise ValueError(
                    f"max_active: {self.max_active} with {wanted}: kaldi-decoder bounds the "
                    f"number of paths for a single best one only; remove one of them"
                )

    @property
    def options(self) -> dict[str, Any]:
        """The method's own options by name."""
        return {name: getattr(self, name) for name in OPTIONS[self.method]}

    @property
    def needs_graph(self) -> bool:
        """Whether a decoding graph must be given."""
        return self.method == WFST

    @property
    def needs_ngram(self) -> bool:
        """Whether an n-gram model over units must be given."""
        return self.method == CTC_PREFIX_BEAM and self.use_ngram

    @classmethod
    def fast(cls, graph_dir: Path | None = None) -> Self:
        """Return the default for recordings: the graph if there is one, else the best path."""
        return cls(method=CTC_GREEDY if graph_dir is None else WFST)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make a configuration from named values.

        Args:
            values: Value by key; missing keys take their defaults.

        Raises:
            ValueError: A key is unknown or does not apply to the method, `method` is missing,
                or a value is out of its range.
        """
        allowed = [field.name for field in fields(cls)]
        if unknown := sorted(set(map(str, values)) - set(allowed)):
            raise ValueError(f"unknown key {', '.join(unknown)}; allowed are {', '.join(allowed)}")
        if "method" not in values:
            raise ValueError(f"method: missing; it is one of {', '.join(METHODS)}")
        method = values["method"]
        if not isinstance(method, str):
            raise ValueError(f"method: {method!r} is not one of {', '.join(METHODS)}")
        known = ("method", "batch_frames", *OPTIONS.get(method, allowed))
        if useless := [name for name in values if name not in known]:
            raise ValueError(
                f"{', '.join(useless)}: not used by method {method}; its keys are "
                f"{', '.join(known)}"
            )
        lacks_lm = method == CTC_PREFIX_BEAM and not values.get("use_ngram")
        if lacks_lm and (useless := [name for name in _WEIGHTS if name in values]):
            raise ValueError(f"{', '.join(useless)}: not used without use_ngram: true")
        return cls(**values)

    @classmethod
    def from_yaml(cls, path: str | Path, more: Mapping[str, Any] | None = None) -> Self:
        """Read a decode YAML.

        Args:
            path: The file.
            more: Values that replace those of the file, e.g. weights tuned on dev.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is not a mapping, or as `from_mapping`; the message names the file.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no decode configuration {path}")
        values = read_mapping(path)
        try:
            return cls.from_mapping({**values, **(more or {})})
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def _check_count(name: str, value: object, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ValueError(f"{name}: {value!r} is not a whole number from 1 to {most}")


def _check_number(name: str, value: object, most: float, positive: bool = False) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{name}: {value!r} is not a number")
    if not abs(value) <= most or (positive and value <= 0):
        kind = "positive number" if positive else "number"
        raise ValueError(f"{name}: {value!r} is not a {kind} of at most {most:g}")


def _check_probability(name: str, value: object) -> None:
    _check_number(name, value, math.inf)
    lowest_allowed = name == "ctc_weight"
    if not (
        isinstance(value, int | float) and (0.0 < value <= 1.0 or (lowest_allowed and value == 0))
    ):
        interval = "[0, 1]" if lowest_allowed else "(0, 1]"
        cure = "null lets the model decide" if lowest_allowed else "null skips no frame"
        raise ValueError(f"{name}: {value!r} is not in {interval}; {cure}")
