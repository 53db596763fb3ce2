import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.augment.variation_options import NUMBERS, RANGES, VariationOptions


def test_without_options_everything_is_off():
    options = VariationOptions.from_conf({})
    assert options.speed is None
    assert options.fastest == 1.0
    assert options.channel == options.num_time_masks == options.num_freq_masks == 0


def test_none_and_lists_are_read_as_yaml_gives_them():
    options = VariationOptions.from_conf(
        {"speed": [0.9, 1], "channel": None, "num_time_masks": None, "noise_snr": None}
    )
    assert options.speed == (0.9, 1.0)
    assert options.channel == options.num_time_masks == 0


def test_an_unknown_key_is_named_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"unknown key 'noise'; specaug: vary takes .*noise_snr"):
        VariationOptions.from_conf({"noise": [0, 20]})


@pytest.mark.parametrize(
    "value", [0.9, [0.9], [1.1, 0.9], ["a", "b"], [0.1, 1.0], [1.0, 5.0], [1, math.nan], [1, True]]
)
def test_a_wrong_range_is_named_with_what_is_allowed(value):
    with pytest.raises(ValueError, match=r"speed must be \[low, high\] with 0.25 <= .*got"):
        VariationOptions.from_conf({"speed": value})


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"noise_prob": 1.5}, "noise_prob must be a number from 0 to 1, got 1.5"),
        ({"channel": "4"}, "channel must be a number from 0 to 40, got '4'"),
        ({"num_time_masks": 1.5}, "num_time_masks must be a whole number, got 1.5"),
        ({"num_freq_masks": True}, "num_freq_masks must be a whole number, got True"),
        ({"freq_mask_width": 41}, "freq_mask_width must be a number from 1 to 40, got 41"),
        ({"low_freq": 9000.0}, "low_freq 9000.0 must be below high_freq 8000.0"),
        (
            {"reverb_ratio": None},
            "reverb_ratio needs a range .* reverb_time: null switches reverberation off",
        ),
    ],
)
def test_a_wrong_number_is_named_with_what_is_allowed(conf, message):
    with pytest.raises(ValueError, match=f"specaug_conf: {message}"):
        VariationOptions.from_conf(conf)


@given(
    st.sampled_from(RANGES),
    st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
)
def test_a_range_is_kept_or_refused_never_changed(allowed, value):
    name, lowest, highest = allowed
    if lowest <= value[0] <= value[1] <= highest:
        assert getattr(VariationOptions.from_conf({name: list(value)}), name) == value
    else:
        with pytest.raises(ValueError, match=name):
            VariationOptions.from_conf({name: list(value)})


# The two ends of the band are checked against each other, too.
@given(st.sampled_from([row for row in NUMBERS if "_freq" not in row[0]]), st.floats())
def test_a_number_is_kept_or_refused_never_changed(allowed, value):
    name, lowest, highest = allowed
    if lowest <= value <= highest:
        assert getattr(VariationOptions.from_conf({name: value}), name) == value
    else:
        with pytest.raises(ValueError, match=name):
            VariationOptions.from_conf({name: value})
