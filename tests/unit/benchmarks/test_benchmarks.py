"""Each benchmark runs on small cases and measures the right systems."""

import argparse

import pytest
import torch

from benchmarks import ctc, decode, encoder, experts, gpu, peers
from benchmarks.device import Device
from benchmarks.timing import Spread
from speechmoe_espnet.moe import Experts

CPU = Device("cpu", torch.float32)


def run(module, *options):
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    args = parser.parse_args(options)
    args.rounds, args.num_threads, args.quick = 1, 1, True
    return module.run(args)


def systems(rows, measure):
    return {row.system for row in rows if row.measure == measure}


@pytest.mark.parametrize("peer", [peers.loop, peers.all_experts, peers.transformers_grouped])
@pytest.mark.parametrize("activation", ["relu", "swish"])
def test_peers_agree_with_our_experts(peer, activation):
    torch.manual_seed(0)
    ours = Experts(16, 24, 4, activation)
    way = peer(ours)
    if way is None:
        pytest.skip("transformers is not installed")
    x, chosen = torch.randn(9, 16), torch.randint(0, 4, (9, 1))
    gates = torch.rand(9, 1)
    torch.testing.assert_close(way(x, chosen, gates), ours(x, chosen, gates), atol=1e-5, rtol=1e-5)


def test_experts():
    rows = run(experts)
    assert {"dense baseline", "nn.Linear pair", "MoE layer"} <= systems(rows, "forward+backward")
    assert {"ours (auto)", "ours (grouped_mm)", "loop, as WeNet", "E=2", "E=64"} <= systems(
        rows, "forward+backward"
    )
    assert "rows in E parts, E experts" in systems(rows, "forward")
    assert all(row.value.median > 0 for row in rows)
    assert [row.ratio.median for row in rows if row.system == "dense baseline"] == [1.0] * 3


def test_encoder_measures_time_and_memory():
    rows = run(encoder)
    for measure in ("training step", "inference"):
        assert systems(rows, measure) == {"dense baseline", "MoE-4e", "ESPnet conformer"}
    memory = {r.system: r.value.median for r in rows if r.measure == "peak memory of training"}
    assert memory["dense baseline"] > 0
    assert memory["baseline + experts + their Adam states"] > memory["dense baseline"]


def test_ctc():
    rows = run(ctc)
    assert systems(rows, "forward+backward") == {"ESPnet's CTC", "ours"}
    assert all(row.value.median > 0 for row in rows)


def test_decode():
    rows = run(decode)
    assert systems(rows, "search alone") == {"greedy", "prefix beam 10", "ESPnet, beam 10"}
    assert {row.unit for row in rows} == {"s", "x real time"}


def test_ceiling_is_the_rate_of_one_large_product(monkeypatch):
    monkeypatch.setattr("benchmarks.device.CEILING_SIZE", 100)
    monkeypatch.setattr(
        "benchmarks.device.interleave",
        lambda *args, **options: {"mm": [1e-6, 2e-6, 4e-6]},
    )
    assert CPU.ceiling(3).median == pytest.approx(1.0)


def test_rate_of_grouped_products_relative_to_the_ceiling(monkeypatch):
    monkeypatch.setattr(Device, "ceiling", lambda device, rounds: Spread.of([3.0] * rounds))
    (row,) = gpu.product_rows(64, 32, 32, 4, CPU, rounds=1)
    assert row.bar == 2.5
    assert row.ratio.median == pytest.approx(3.0 / row.value.median)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu_is_an_error():
    with pytest.raises(ValueError, match="--device cuda: torch finds no GPU"):
        run(experts, "--device", "cuda")
