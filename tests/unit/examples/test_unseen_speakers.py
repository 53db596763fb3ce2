"""Unseen speakers: a warp moves formants, and routers do as they are told."""

import argparse
import runpy
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import torch
from models import build

from speechmoe_espnet.augment.mel_axis import MelAxis

EXAMPLE = Path(__file__).parents[3] / "examples/unseen_speakers.py"


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(EXAMPLE))


@pytest.fixture
def listener(example):
    return example["Listener"](build(encoder_conf={"moe_conf": {"num_experts": 4}}).eval())


def feats(seed: int) -> torch.Tensor:
    return torch.randn(1, 100, 40, generator=torch.Generator().manual_seed(seed))


def test_warp_moves_a_formant(example):
    centres = MelAxis(40, 20.0, 8000.0).centres
    x = torch.exp(-((centres - 1500.0) / 300.0).square())[None, None]
    for formants in (0.8, 1.25):
        peak = centres[example["warp"](x, formants).argmax()]
        assert peak == pytest.approx(1500.0 * formants, rel=0.05)
    torch.testing.assert_close(example["warp"](x, 1.0), x)


def test_own_decisions_told_again_change_nothing(listener):
    text, routing = listener(feats(0))
    assert len(routing) == 2
    again, told = listener(feats(0), routing)
    assert again == text
    assert all(
        torch.equal(one.indices, two.indices) for one, two in zip(routing, told, strict=True)
    )


def test_experts_do_what_routers_were_told(example, listener):
    _, first = listener(feats(0))
    _, second = listener(feats(1))
    assert example["agreements"](first, first) == 2 * first[0].indices.numel()
    assert example["agreements"](first, second) < example["agreements"](first, first)
    outputs = []
    layer = listener.model.encoder.backbone.blocks[0].feed_forward
    layer.register_forward_hook(lambda module, arguments, output: outputs.append(output[0]))
    listener(feats(0), first)
    listener(feats(0), second)
    assert not torch.allclose(outputs[0], outputs[1])


@pytest.mark.parametrize("num_experts", [1, 4])
def test_table(example, tmp_path, monkeypatch, capsys, num_experts):
    rng = np.random.default_rng(0)
    waves = {name: rng.normal(size=(100, 40)).astype(np.float32) for name in ("a_1", "b_1")}
    kaldiio.save_ark(str(tmp_path / "feats.ark"), waves, scp=str(tmp_path / "feats.scp"))
    (tmp_path / "text").write_text("a_1 一二三\nb_1 三二一\n")
    model = build(encoder_conf={"moe_conf": {"num_experts": num_experts}}).eval()
    speech2text = argparse.Namespace(
        from_experiment=lambda *words: argparse.Namespace(asr_model=model)
    )
    monkeypatch.setitem(example["tell"].__globals__, "Speech2Text", speech2text)
    assert example["main"](["unused", str(tmp_path), "--formants", "0.8"]) == 0
    head, plain, warped = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert head[0] == "formants"
    assert (plain[0], warped[0]) == ("1.00", "0.80")
    if num_experts == 1:
        assert plain[2:] == warped[2:] == ["-", "-", "-"]
    else:
        assert plain[1] == plain[2] == plain[3]
        assert plain[4] == "100.0"
        assert float(warped[4]) < 100


def test_impossible_warp_is_refused(example, capsys):
    assert example["main"](["unused", "unused", "--formants", "0"]) == 1
    assert "--formants: 0.0 is not positive" in capsys.readouterr().err
