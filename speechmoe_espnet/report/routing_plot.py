"""A picture of one utterance: spectrogram, recognised units, and the expert of every frame."""

from speechmoe_espnet.report.svg import (
    FAINT,
    element,
    line,
    picture,
    png_data_uri,
    text,
    tooltip,
)
from speechmoe_espnet.results.routing import RoutingExample

MILLISECONDS_PER_FRAME = 10
_EXPERT_COLOURS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#b7a900",
    "#7f7f7f",
)
_GOLDEN_ANGLE = 137.508
_UNIT_ROWS = 3
_FONT_SIZE = 14


def expert_colour(expert: int) -> str:
    """Return the colour of an expert: eight that the colour-blind tell apart, then any."""
    if expert < len(_EXPERT_COLOURS):
        return _EXPERT_COLOURS[expert]
    return f"hsl({(expert * _GOLDEN_ANGLE) % 360:.0f} 55% 50%)"


def routing_picture(example: RoutingExample) -> str:
    """Draw one utterance.

    Colours are experts, strength of colour is the router's probability, numbers name the
    expert where a run is wide enough.

    Args:
        example: What decoding recorded.
    """
    num_layers, num_frames = example.expert.shape
    step = min(12.0, max(4.0, 1000.0 / num_frames))
    left, top, height, row = 66, 6, 132, 22
    width = left + step * num_frames + 24
    covered = num_frames * example.subsampling
    feats = example.feats[:covered]
    scale = step / example.subsampling
    parts = [
        text(left - 8, top + 70, "mel", text_anchor="end", fill=FAINT),
        element(
            "image",
            href=png_data_uri(feats.T[::-1]),
            x=left,
            y=top,
            width=scale * len(feats),
            height=height,
            preserveAspectRatio="none",
        ),
    ]
    labels, units_height = _unit_labels(example, step, left, top + height)
    parts += labels
    y = top + height + units_height + 6
    for layer in range(num_layers):
        parts.append(text(left - 8, y + 15, f"layer {layer + 1}", text_anchor="end", fill=FAINT))
        for start, stop, expert, prob in example.runs(layer):
            hint = tooltip(
                f"layer {layer + 1}, expert {expert + 1}, frames {start} to {stop - 1}, "
                f"probability {prob:.2f}"
            )
            x, span = left + step * start, step * (stop - start)
            parts.append(
                element(
                    "rect",
                    hint,
                    x=x,
                    y=y,
                    width=span - 0.5,
                    height=row - 3,
                    fill=expert_colour(expert),
                    fill_opacity=0.2 + 0.8 * prob,
                )
            )
            if span >= 14:
                parts.append(
                    text(
                        x + span / 2,
                        y + 14,
                        str(expert + 1),
                        text_anchor="middle",
                        font_size=11,
                        pointer_events="none",
                    )
                )
        y += row
    pixels_per_second = 1000 / MILLISECONDS_PER_FRAME * scale
    half_seconds = int(2 * (num_frames * step) / pixels_per_second)
    for index in range(half_seconds + 1):
        x = left + pixels_per_second * index / 2
        parts.append(line(x, y, x, y + 5, stroke=FAINT))
        parts.append(text(x, y + 18, f"{index / 2:g} s", text_anchor="middle", fill=FAINT))
    return picture(
        width, y + 24, parts, f"Spectrogram, units and experts of utterance {example.utt}"
    )


def _unit_labels(
    example: RoutingExample, step: float, left: float, top: float
) -> tuple[list[str], float]:
    """Place the units below each other where they would overlap side by side."""
    parts = []
    ends = [float("-inf")] * _UNIT_ROWS
    used = 0
    for frame, unit in example.spikes():
        x = left + step * (frame + 0.5)
        half = sum(0.5 if character.isascii() else 1.0 for character in unit) * _FONT_SIZE / 2
        row = next((row for row, end in enumerate(ends) if x - half > end + 2), _UNIT_ROWS - 1)
        ends[row] = x + half
        used = max(used, row + 1)
        y = top + 18 + 18 * row
        parts.append(line(x, top - 132, x, y - 13, stroke="white", stroke_opacity=0.35))
        parts.append(text(x, y, unit, text_anchor="middle", font_size=_FONT_SIZE))
    return parts, 18.0 * used + 6
