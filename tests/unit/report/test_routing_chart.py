import dataclasses

import numpy as np
import pytest
from drawings import tooltips, words
from matplotlib.colors import to_rgba

from speechmoe_espnet.report.figure import inline_svg
from speechmoe_espnet.report.labels import expert_colour
from speechmoe_espnet.report.routing_chart import routing_chart


@pytest.fixture
def example(systems):
    return systems[2].sets["read"].example


def test_it_names_units_and_layers(example):
    shown = words(routing_chart(example))
    units = [unit for _, unit in example.spikes()]
    assert units == [word for word in shown if word in units]
    assert "layer 4" in shown
    assert "0.5 s" in shown


def test_the_spectrogram_is_the_features_and_units_stand_at_their_frames(example):
    figure = routing_chart(example)
    mel, _ = figure.axes
    (image,) = mel.images
    np.testing.assert_array_equal(image.get_array(), example.feats[: image.get_array().shape[1]].T)
    places = [text.get_position()[0] for text in mel.texts if text.get_text() != "mel"]
    assert places == [frame + 0.5 for frame, _ in example.spikes()]


def test_a_bar_a_run_in_the_colour_of_its_expert(example):
    figure = routing_chart(example)
    bars = figure.axes[1].collections[1]
    runs = example.runs(1)
    assert len(bars.get_paths()) == len(runs)
    start, stop, expert, prob = runs[0]
    assert bars.get_paths()[0].get_extents().x0 == start
    colour = to_rgba(expert_colour(expert), 0.2 + 0.8 * prob)
    assert bars.get_facecolors()[0] == pytest.approx(colour)
    hint = f"layer 2, expert {expert + 1}, frames {start} to {stop - 1}, probability {prob:.2f}"
    assert hint in tooltips(figure)


def test_without_units_or_with_a_short_tail(example):
    silent = dataclasses.replace(
        example, units=("",) * len(example.units), feats=example.feats[:-2]
    )
    assert inline_svg(routing_chart(silent))


def test_equal_features(example):
    flat = dataclasses.replace(example, feats=np.zeros_like(example.feats))
    assert "data:image/png" in inline_svg(routing_chart(flat))
