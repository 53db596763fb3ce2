"""The export benchmark runs on small cases, with every system it promises."""

import argparse

import pytest

pytest.importorskip("onnxruntime")

from benchmarks import export


def run(*words: str) -> list[export.Row]:
    parser = argparse.ArgumentParser()
    export.add_arguments(parser)
    parser.set_defaults(rounds=2, num_threads=1, quick=True)
    return export.run(parser.parse_args(list(words)))


def test_layers_are_compared_with_their_baseline_and_rivals() -> None:
    rows = run("--parts", "layers")
    forward = {row.system: row for row in rows if row.measure == "forward"}
    assert {export.BASELINE, export.SPARSE, export.LOOP, "all experts and a mask"} < set(forward)
    assert all(row.ratio is not None and row.unit == "s" for row in forward.values())
    baseline = forward[export.BASELINE].ratio
    assert baseline is not None
    assert baseline.median == 1.0
    files = {row.system: row.value.median for row in rows if row.measure == "file"}
    assert files["sparse int8, ONNX"] < files[export.SPARSE]
    assert files[export.BASELINE] < files[export.SPARSE]


def test_encoders_run_in_onnxruntime_and_pytorch() -> None:
    rows = run("--parts", "speechmoe_conformer")
    systems = {row.system for row in rows if row.measure == "forward"}
    assert {export.BASELINE, export.SPARSE, "sparse, PyTorch", "sparse int8, ONNX"} < systems


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="onnxruntime is not installed"):
        run("--parts", "layers")
