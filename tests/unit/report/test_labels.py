import itertools

from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.report.labels import expert_colour, looks, place_labels, spread
from speechmoe_espnet.report.palette import SERIES, css


def test_the_control_is_grey_and_looks_differ():
    names = [f"s{index}" for index in range(16)]
    found = looks(names, "s3")
    assert found["s3"].colour == SERIES[2]
    assert len(set(found.values())) == len(names)
    assert looks(names[:4], None)["s3"].colour != SERIES[2]


@given(st.lists(st.floats(0, 300), min_size=1, max_size=15))
def test_spread_keeps_order_distance_and_ends(places):
    moved = spread(places, 15.0, 0.0, 300.0)
    order = sorted(range(len(places)), key=lambda index: places[index])
    gaps = [moved[b] - moved[a] for a, b in itertools.pairwise(order)]
    assert all(gap >= 15.0 - 1e-9 for gap in gaps)
    assert min(moved) >= 0.0
    assert max(moved) <= 300.0 + 1e-9


def test_spread_leaves_alone_what_has_room():
    assert spread([100.0, 10.0, 50.0], 15.0, 0.0, 300.0) == [100.0, 10.0, 50.0]


def test_labels_avoid_each_other():
    labels = [((100.0, 100.0 + 4 * index), f"system{index}") for index in range(4)]
    placed = place_labels(labels, (0.0, 0.0, 400.0, 300.0))
    boxes = []
    for (x, y, anchor), (_, words) in zip(placed, labels, strict=True):
        left = x - {"start": 0, "middle": 3.5, "end": 7}[anchor] * len(words)
        boxes.append((left, y - 11, left + 7 * len(words), y + 3))
    for index, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        for other in boxes[index + 1 :]:
            width = min(right, other[2]) - max(left, other[0])
            height = min(bottom, other[3]) - max(top, other[1])
            assert width <= 0 or height <= 0


def test_a_label_stays_within():
    (x, _, anchor) = place_labels([((390.0, 50.0), "a long name")], (0.0, 0.0, 400.0, 300.0))[0]
    assert anchor == "end"
    assert x < 390


def test_every_expert_has_a_colour():
    assert len({expert_colour(expert) for expert in range(32)}) == 32
    assert all(expert_colour(expert) for expert in range(64))


def test_experts_keep_their_colours_in_dark_mode():
    colours = [expert_colour(expert) for expert in range(64)]
    assert [css(colour) for colour in colours] == colours
