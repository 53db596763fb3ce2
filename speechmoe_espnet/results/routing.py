"""Routing records of a decoding: load of the experts, and one utterance in full."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.array_file import read_arrays
from speechmoe_espnet.data.json_files import number, read_object, shown


@dataclass(frozen=True)
class LayerRouting:
    """Routing of one MoE layer on one set.

    Attributes:
        load: Share of the frames that went to each expert; sums to 1.
        confidence: Mean probability of the chosen expert.
        entropy: Entropy of the load in nats, as written by decoding.
    """

    load: tuple[float, ...]
    confidence: float
    entropy: float

    def to_dict(self) -> dict[str, Any]:
        """Return the layer in the format of `results.json`."""
        return {"load": list(self.load), "confidence": self.confidence, "entropy": self.entropy}


def _layer(fields: object, place: str) -> LayerRouting:
    load = fields.get("load") if isinstance(fields, dict) else None
    if not isinstance(fields, dict) or not isinstance(load, list):
        raise ValueError(f"{place}: not a routing summary, got {shown(fields)}")
    shares = tuple(number({"a share of load": share}, "a share of load", place) for share in load)
    return LayerRouting(
        shares, number(fields, "confidence", place), number(fields, "entropy", place)
    )


@dataclass(frozen=True)
class RoutingSummary:
    """Routing of all MoE layers on one set, first layer first."""

    layers: tuple[LayerRouting, ...]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `routing.json`.

        Raises:
            ValueError: The file has no layers, or the load of a layer does not sum to 1.
        """
        fields = read_object(path, ("layers",))
        if not isinstance(fields["layers"], list):
            raise ValueError(f"{path}: layers must be a list, got {shown(fields['layers'])}")
        layers = tuple(
            _layer(layer, f"{path}: layer {count}") for count, layer in enumerate(fields["layers"])
        )
        if not layers:
            raise ValueError(f"{path}: no layers")
        for index, layer in enumerate(layers):
            if abs(sum(layer.load) - 1.0) > 1e-3:
                raise ValueError(
                    f"{path}: layer {index}: the shares of the experts must sum to 1, got "
                    f"{sum(layer.load)}"
                )
        return cls(layers)


@dataclass(frozen=True)
class RoutingExample:
    """Routing of one utterance, frame by frame.

    Attributes:
        utt: Utterance id.
        feats: Log-mel features, (frames, bins) float32.
        expert: Chosen expert, (layers, output frames).
        prob: Probability of the chosen expert, (layers, output frames).
        units: Best CTC unit of each output frame, empty for blank.
        subsampling: Number of input frames per output frame.
    """

    utt: str
    feats: NDArray[np.float32]
    expert: NDArray[np.int64]
    prob: NDArray[np.float32]
    units: tuple[str, ...]
    subsampling: int

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `routing_example.npz`.

        Raises:
            ValueError: An array is missing or the shapes disagree.
        """
        return cls.of(read_arrays(path), str(path))

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], place: str) -> Self:
        """Read the arrays of `Recognizer.example`.

        Args:
            arrays: Arrays by name.
            place: Where they come from, for messages.

        Raises:
            ValueError: An array is missing or the shapes disagree.
        """
        try:
            example = cls(
                utt=str(arrays["utt"]),
                feats=np.asarray(arrays["feats"], dtype=np.float32),
                expert=np.asarray(arrays["expert"], dtype=np.int64),
                prob=np.asarray(arrays["prob"], dtype=np.float32),
                units=tuple(str(unit) for unit in arrays["units"]),
                subsampling=int(arrays["subsampling"]),
            )
        except KeyError as error:
            raise ValueError(f"{place}: lacks an array: {error.args[0]}") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{place}: an array is of another kind: {error}") from None
        num_frames = len(example.units)
        if (
            example.feats.ndim != 2
            or example.expert.ndim != 2
            or example.expert.shape != example.prob.shape
            or example.expert.shape[1] != num_frames
            or example.subsampling < 1
        ):
            raise ValueError(
                f"{place}: shapes disagree: feats {example.feats.shape}, expert "
                f"{example.expert.shape}, prob {example.prob.shape}, units {num_frames}, "
                f"subsampling {example.subsampling}"
            )
        return example

    def spikes(self) -> list[tuple[int, str]]:
        """Return (output frame, unit) for each emitted unit; repeats of a unit are merged."""
        return [
            (frame, unit)
            for frame, unit in enumerate(self.units)
            if unit and (frame == 0 or unit != self.units[frame - 1])
        ]

    def runs(self, layer: int) -> list[tuple[int, int, int, float]]:
        """Merge neighbouring frames of the same expert.

        Args:
            layer: Index of the MoE layer.

        Returns:
            (first frame, frame after the last, expert, mean probability) of each run.
        """
        choice = self.expert[layer]
        edges = [0, *(np.flatnonzero(np.diff(choice)) + 1).tolist(), len(choice)]
        return [
            (start, stop, int(choice[start]), float(self.prob[layer, start:stop].mean()))
            for start, stop in itertools.pairwise(edges)
            if stop > start
        ]
