import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.augment import FeatureVariation
from speechmoe_espnet.augment.draws import Draws
from speechmoe_espnet.augment.power import noise_rows
from speechmoe_espnet.augment.tempo import resampled_lengths

EVERYTHING = {
    "speed": [0.8, 1.25],
    "warp": [0.85, 1.15],
    "reverb_time": [0.1, 0.5],
    "reverb_prob": 0.6,
    "noise_snr": [0, 20],
    "noise_prob": 0.6,
    "channel": 4,
    "low_pass": [1000, 8000],
    "low_pass_prob": 0.5,
    "high_pass": [50, 400],
    "high_pass_prob": 0.5,
    "gain": [-6, 6],
    "num_time_masks": 2,
    "num_freq_masks": 2,
}
LENGTHS = torch.tensor([90, 61, 40, 23, 1, 7])


def features(lengths=LENGTHS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 12 + 3 * torch.randn(len(lengths), int(lengths.max()), 40, generator=generator)


def one(draws, index):
    """What was drawn for one utterance, as a batch of one."""
    values = {}
    for field in dataclasses.fields(draws):
        value = getattr(draws, field.name)
        if dataclasses.is_dataclass(value):
            value = one(value, index)
        elif value is not None:
            value = value[index : index + 1]
        values[field.name] = value
    return type(draws)(**values)


def reference(variation, x, lengths, draws):
    """One utterance after another, one frame after another, in float64."""
    power_in = []
    for b, length in enumerate(lengths.tolist()):
        frames = x[b, :length].double().numpy()
        count = int(resampled_lengths(lengths[b : b + 1], draws.speed[b : b + 1]))
        places = np.arange(count) * draws.speed[b].item()
        columns = [np.interp(places, np.arange(length), column) for column in frames.T]
        frames = np.stack(columns, axis=1)
        read = variation.axis.warped_positions(draws.warp[b : b + 1])[0].numpy()
        frames = np.stack([np.interp(read, np.arange(40), frame) for frame in frames])
        power, tail = np.exp(frames), np.zeros(40)
        decay, level = draws.reverb.decay[b].item(), draws.reverb.level[b].item()
        wet = []
        for frame in power:
            wet.append((frame + level * tail) / (1 + level))
            tail = decay * tail + (1 - decay) * frame
        power_in.append(np.array(wet))
    table = variation.table.double().numpy()
    out = []
    for b, power in enumerate(power_in):
        noise = draws.noise
        source = power_in[(b + noise.shift[b].item()) % len(x)] if noise.speech[b] else table
        begin = int(np.float32(noise.offset[b].item()) * np.float32(len(source)))
        added = source[(begin + np.arange(len(power))) % len(source)]
        added = added * noise.spectrum[b].double().numpy()
        gain = noise.ratio[b].item() * power.mean() / added.mean()
        frames = np.log(power)
        if gain:
            frames = np.logaddexp(frames, np.log(gain) + np.log(added))
        out.append(frames + draws.response[b].double().numpy())
    return out


def test_all_together_are_the_slow_steps_one_after_another():
    conf = {**EVERYTHING, "num_time_masks": 0, "num_freq_masks": 0}
    variation = FeatureVariation(**conf)
    torch.manual_seed(3)
    draws = variation.draw(len(LENGTHS))
    assert 0 < (draws.reverb.level > 0).sum() < len(LENGTHS)
    assert ((draws.noise.ratio > 0) & draws.noise.speech).sum() > 0
    assert ((draws.noise.ratio > 0) & ~draws.noise.speech).sum() > 0
    x = features()
    before = x.clone()
    out, lengths = variation.vary(x, LENGTHS, draws)
    assert torch.equal(x, before)
    expected = reference(variation, x, LENGTHS, draws)
    assert lengths.tolist() == [len(frames) for frames in expected]
    assert out.shape == (len(LENGTHS), int(lengths.max()), 40)
    for b, frames in enumerate(expected):
        np.testing.assert_allclose(out[b, : len(frames)].numpy(), frames, atol=2e-3)


def test_an_utterance_is_varied_in_a_batch_as_alone():
    variation = FeatureVariation(**EVERYTHING, noise_speech_prob=0)
    torch.manual_seed(1)
    draws, x = variation.draw(len(LENGTHS)), features()
    out, lengths = variation.vary(x, LENGTHS, draws)
    for b, length in enumerate(LENGTHS.tolist()):
        alone, count = variation.vary(x[b : b + 1, :length], LENGTHS[b : b + 1], one(draws, b))
        assert count.tolist() == [lengths[b]]
        torch.testing.assert_close(out[b : b + 1, : lengths[b]], alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("padding", [0.0, 1e30, torch.nan, -torch.inf])
@pytest.mark.parametrize("speed", [None, [0.8, 1.25]])
def test_padding_is_never_read(padding, speed):
    variation = FeatureVariation(**{**EVERYTHING, "speed": speed, "noise_speech_prob": 1.0})
    outs = []
    for fill in (0.5, padding):
        x = features()
        x[torch.arange(x.size(1)) >= LENGTHS.unsqueeze(1)] = fill
        torch.manual_seed(0)
        outs.append(variation(x, LENGTHS)[0])
    assert torch.equal(*outs)
    assert torch.isfinite(outs[0]).all()


@given(st.sets(st.sampled_from(sorted(EVERYTHING))), st.integers(0, 2**31))
@settings(max_examples=30)
def test_any_choice_of_variations_keeps_shapes_lengths_and_numbers(keys, seed):
    variation = FeatureVariation(**{key: EVERYTHING[key] for key in keys})
    torch.manual_seed(seed)
    x = features()
    out, lengths = variation(x, LENGTHS)
    assert out.dtype == torch.float32
    assert torch.isfinite(out).all()
    if "speed" in keys:
        assert (lengths >= variation.shortest_lengths(LENGTHS)).all()
        assert (lengths <= ((LENGTHS - 1) / 0.8).floor() + 1).all()
        assert out.shape == (len(x), int(lengths.max()), 40)
    else:
        assert lengths is LENGTHS
        assert out.shape == x.shape


def test_with_everything_off_features_are_handed_on():
    x = features()
    out, lengths = FeatureVariation()(x, LENGTHS)
    assert out is x
    assert lengths is LENGTHS
    assert FeatureVariation()(x)[1] is None
    assert FeatureVariation().draw(4) == Draws()


@pytest.mark.parametrize(
    "conf",
    [
        {"speed": [1, 1]},
        {"warp": [1, 1]},
        {"gain": [0, 0]},
        {"num_time_masks": 1, "time_mask_ratio": 0},
        {"speed": [1, 1], "warp": [1, 1], "gain": [0, 0]},
    ],
)
def test_ranges_around_nothing_change_no_bit_of_valid_frames(conf):
    x = features()
    out, lengths = FeatureVariation(**conf)(x, LENGTHS)
    assert lengths.tolist() == LENGTHS.tolist()
    for b, length in enumerate(LENGTHS.tolist()):
        assert torch.equal(out[b, :length], x[b, :length])


def test_a_seed_repeats_a_variation_and_another_one_does_not():
    variation, x = FeatureVariation(**EVERYTHING), features()
    outs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outs.append(variation(x, LENGTHS))
    assert torch.equal(outs[0][0], outs[1][0])
    assert outs[0][1].tolist() != outs[2][1].tolist()


def test_without_lengths_all_frames_are_valid():
    variation, x = FeatureVariation(**EVERYTHING), features()
    full = torch.full((len(x),), x.size(1))
    torch.manual_seed(0)
    out, lengths = variation(x)
    torch.manual_seed(0)
    expected, expected_lengths = variation(x, full)
    assert torch.equal(out, expected)
    assert torch.equal(lengths, expected_lengths)


def test_draws_fill_their_ranges_and_probabilities():
    variation = FeatureVariation(**EVERYTHING)
    torch.manual_seed(0)
    draws = variation.draw(20000)
    for values, (low, high) in ((draws.speed, (0.8, 1.25)), (draws.warp, (0.85, 1.15))):
        assert low <= values.min() < low + 0.01
        assert high - 0.01 < values.max() <= high
    for chosen in (draws.reverb.level > 0, draws.noise.ratio > 0):
        assert chosen.float().mean().item() == pytest.approx(0.6, abs=0.02)
    assert draws.noise.speech.float().mean().item() == pytest.approx(0.5, abs=0.02)
    snr = -10 * draws.noise.ratio[draws.noise.ratio > 0].log10()
    assert snr.min().item() == pytest.approx(0, abs=0.1)
    assert snr.max().item() == pytest.approx(20, abs=0.1)
    without_edges = FeatureVariation(**{**EVERYTHING, "low_pass": None, "high_pass": None})
    decibels = without_edges.draw(20000).response * 10 / np.log(10)
    # 4 dB of a response, and a level between -6 and 6 dB.
    assert decibels.var(dim=0).mean().item() == pytest.approx(16 + 12, rel=0.05)


def test_edges_of_the_band_take_away_what_lies_beyond_them():
    edges = {"low_pass": [2000, 2000], "high_pass": [500, 500]}
    variation = FeatureVariation(**edges, low_pass_prob=1, high_pass_prob=1)
    change = variation(features(), LENGTHS)[0][0, 0] - features()[0, 0]
    decibels = (change * 10 / math.log(10)).tolist()
    for centre, got in zip(variation.axis.centres.tolist(), decibels, strict=True):
        above, below = math.log2(centre / 2000), math.log2(500 / centre)
        expected = -min(max(96 * above, 0), 60) - min(max(24 * below, 0), 60)
        assert got == pytest.approx(expected, abs=1e-3)
    assert min(decibels) < -50


def test_edges_come_as_often_as_they_should():
    torch.manual_seed(0)
    variation = FeatureVariation(low_pass=[1000, 8000], low_pass_prob=0.25)
    changed = variation.draw(4000).response[:, -1] < -1e-4
    assert changed.float().mean() == pytest.approx(0.25, abs=0.03)
    assert FeatureVariation(low_pass=[1000, 8000], low_pass_prob=0).draw(4) == Draws()


def test_a_batch_of_one_has_coloured_noise_only():
    variation = FeatureVariation(noise_snr=[0, 0], noise_prob=1, noise_speech_prob=1)
    draws = variation.draw(1)
    assert not draws.noise.speech.any()
    lengths = torch.tensor([30])
    rows = noise_rows(lengths, 30, draws.noise.speech, draws.noise.shift, draws.noise.offset)
    assert rows.min() >= 30
    x = features(lengths)
    out, _ = variation(x, lengths)
    added = out.double().exp() - x.double().exp()
    assert (added.mean() / x.double().exp().mean()).item() == pytest.approx(1.0, abs=1e-3)


def test_lower_precision_comes_out_as_float32():
    variation = FeatureVariation(**EVERYTHING)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, _ = variation(features().bfloat16(), LENGTHS)
    assert out.dtype == torch.float32


def test_features_of_another_size_are_refused():
    with pytest.raises(ValueError, match="is for 40 log-mel values a frame, got features of 120"):
        FeatureVariation()(torch.zeros(1, 5, 120))


def test_features_that_are_trained_are_refused():
    with pytest.raises(ValueError, match="from a frontend that is trained"):
        FeatureVariation()(features().requires_grad_())


def test_a_user_sees_what_is_varied():
    assert str(FeatureVariation(speed=[0.9, 1.1], channel=4)) == (
        "FeatureVariation(speed=(0.9, 1.1), channel=4)"
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_does_what_a_cpu_does():
    variation = FeatureVariation(**EVERYTHING)
    draws, x = variation.draw(len(LENGTHS)), features()
    expected, expected_lengths = variation.vary(x, LENGTHS, draws)

    def moved(value):
        if dataclasses.is_dataclass(value):
            fields = dataclasses.fields(value)
            return type(value)(**{f.name: moved(getattr(value, f.name)) for f in fields})
        return value if value is None else value.cuda()

    variation.cuda()
    out, lengths = variation.vary(x.cuda(), LENGTHS.cuda(), moved(draws))
    assert lengths.tolist() == expected_lengths.tolist()
    torch.testing.assert_close(out.cpu(), expected, atol=1e-3, rtol=1e-3)
    assert variation(x.cuda(), LENGTHS.cuda())[0].device.type == "cuda"
