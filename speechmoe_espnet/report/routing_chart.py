"""A chart of one utterance: spectrogram, recognised units, and the expert of every frame."""

from typing import TYPE_CHECKING

import numpy as np

from speechmoe_espnet.report.figure import SMALL, hints, new_figure, pixel_axes, styled
from speechmoe_espnet.report.labels import expert_colour
from speechmoe_espnet.report.palette import FAINT
from speechmoe_espnet.results.routing import RoutingExample

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SECONDS_PER_FRAME = 0.01
_UNIT_ROWS, _UNIT_ROW, _UNIT_SIZE = 3, 18.0, 14.0
_LEFT, _TOP, _SPECTROGRAM, _ROW = 56.0, 6.0, 132.0, 22.0
_LEAST_NUMBERED = 14.0
_NUM_COLOURS = 48


@styled
def routing_chart(example: RoutingExample) -> "Figure":
    """Draw one utterance.

    Colours are experts, strength of colour is the router's probability, numbers name the
    expert where a run is wide enough.

    Args:
        example: What decoding recorded.
    """
    num_layers, num_frames = example.expert.shape
    step = min(12.0, max(4.0, 1000.0 / num_frames))
    width = step * num_frames
    rows = _unit_rows(example, step)
    units_height = _UNIT_ROW * (1 + max(rows, default=-1)) + 6
    layers_top = _TOP + _SPECTROGRAM + units_height
    height = layers_top + _ROW * num_layers + 24
    label = f"Spectrogram, units and experts of utterance {example.utt}"
    figure = new_figure(_LEFT + width + 24, height, label)
    mel = pixel_axes(figure, _LEFT, _TOP, width, _SPECTROGRAM)
    _spectrogram(mel, example)
    for (frame, unit), row in zip(example.spikes(), rows, strict=True):
        x = frame + 0.5
        below = -(14 + _UNIT_ROW * row)
        mel.plot([x, x], [0, 1], color="white", alpha=0.35, linewidth=1)
        mel.text(
            x, below / _SPECTROGRAM, unit, ha="center", va="center_baseline", fontsize=_UNIT_SIZE
        )
    axes = pixel_axes(figure, _LEFT, layers_top, width, _ROW * num_layers)
    axes.set_xlim(0, num_frames)
    axes.set_ylim(num_layers, 0)
    axes.grid(visible=False)
    for layer in range(num_layers):
        _layer(axes, example, layer, step)
    names = [f"layer {layer + 1}" for layer in range(num_layers)]
    axes.set_yticks([layer + 0.43 for layer in range(num_layers)], names)
    frames_per_second = 1 / (_SECONDS_PER_FRAME * example.subsampling)
    half_seconds = range(int(2 * num_frames / frames_per_second) + 1)
    axes.set_xticks(
        [frames_per_second * index / 2 for index in half_seconds],
        [f"{index / 2:g} s" for index in half_seconds],
    )
    return figure


def _spectrogram(axes: "Axes", example: RoutingExample) -> None:
    """Draw log-mel energies; the 2nd and the 98th percentile are the ends of the colours."""
    import matplotlib

    num_frames = example.expert.shape[1]
    feats = example.feats[: num_frames * example.subsampling]
    low, high = np.percentile(feats, [2, 98])
    axes.imshow(
        feats.T,
        origin="lower",
        aspect="auto",
        interpolation="none",
        cmap=matplotlib.colormaps["magma"].resampled(_NUM_COLOURS),
        vmin=float(low),
        vmax=float(max(high, low + 1e-9)),
        extent=(0, len(feats) / example.subsampling, 0, 1),
    )
    axes.set_xlim(0, num_frames)
    axes.set_ylim(0, 1)
    axes.set_axis_off()
    axes.text(-8 / 1000, 0.5, "mel", transform=axes.transAxes, ha="right", color=FAINT)


def _layer(axes: "Axes", example: RoutingExample, layer: int, step: float) -> None:
    runs = example.runs(layer)
    bars = axes.broken_barh(
        [(start, stop - start - 0.5 / step) for start, stop, _, _ in runs],
        (layer, 1 - 3 / _ROW),
        facecolors=[(expert_colour(expert), 0.2 + 0.8 * prob) for *_, expert, prob in runs],
    )
    hints(
        bars,
        [
            f"layer {layer + 1}, expert {expert + 1}, frames {start} to {stop - 1}, "
            f"probability {prob:.2f}"
            for start, stop, expert, prob in runs
        ],
    )
    for start, stop, expert, _ in runs:
        if step * (stop - start) >= _LEAST_NUMBERED:
            axes.text(
                (start + stop) / 2,
                layer + 0.43,
                str(expert + 1),
                ha="center",
                va="center_baseline",
                fontsize=SMALL,
            )


def _unit_rows(example: RoutingExample, step: float) -> list[int]:
    """Place the units below each other where they would overlap side by side."""
    ends = [float("-inf")] * _UNIT_ROWS
    rows = []
    for frame, unit in example.spikes():
        x = step * (frame + 0.5)
        half = sum(0.5 if character.isascii() else 1.0 for character in unit) * _UNIT_SIZE / 2
        row = next((row for row, end in enumerate(ends) if x - half > end + 2), _UNIT_ROWS - 1)
        ends[row] = x + half
        rows.append(row)
    return rows
