"""What sherpa-onnx reads beside our own metadata."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.export.metadata import FORMAT, Metadata
from speechmoe_espnet.export.sherpa import (
    other_features,
    sherpa_props,
    sherpa_tokens,
    tokens_path,
)

UNITS = ("<blank>", "<unk>", "ni3", "hao3", "<space>", "SIL", "<sos/eos>")


def metadata(**changes: Any) -> Metadata:
    whole = Metadata(
        units=UNITS,
        token_type="word",
        fbank=asdict(FbankConfig()),
        num_features=40,
        sample_rate=16000,
        subsampling=6,
        least_frames=1,
        precision="float32",
        opset=20,
        stats_sha256="",
        config_sha256="",
        model_sha256="",
        versions={},
    )
    return replace(whole, **changes)


def test_its_keys_are_beside_ours() -> None:
    props = sherpa_props(metadata())
    assert props["model_type"] == "fire-red-asr-2-ctc"
    assert (props["vocab_size"], props["subsampling_factor"]) == ("7", "6")
    assert [float(value) for value in props["cmvn_mean"].split(",")] == [0.0] * 40
    assert [float(value) for value in props["cmvn_inv_stddev"].split(",")] == [1.0] * 40
    assert not props.keys() & metadata().to_props().keys()


def test_files_without_its_keys_are_read() -> None:
    assert Metadata.from_props(metadata().to_props(), "old.onnx") == metadata()
    assert metadata().format == FORMAT


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"num_mel_bins": 23}, ""),
        ({"sample_frequency": 8000, "high_freq": 4000.0}, ""),
        ({"dither": 1.0}, ""),
        ({"low_freq": 60.0}, "low_freq"),
        ({"high_freq": -400.0}, "high_freq"),
        ({"frame_shift": 12.5}, "frame_shift"),
        ({"frame_length": 32.0}, "frame_length"),
        ({"deltas": True}, "deltas"),
        (None, "not known"),
    ],
)
def test_other_features_have_no_keys(options: dict[str, Any] | None, word: str) -> None:
    fbank = None if options is None else FbankConfig(**options)
    size = 40 if fbank is None else fbank.feature_size
    about = metadata(fbank=fbank and asdict(fbank), num_features=size)
    reason = other_features(about.fbank)
    assert word in reason
    assert bool(reason) == bool(word)
    assert bool(sherpa_props(about)) == (not word)


def test_symbols_are_joined_to_our_text() -> None:
    lines = [line.split(" ") for line in sherpa_tokens(metadata()).splitlines()]
    assert [number for _, number in lines] == [str(number) for number in range(len(UNITS))]
    symbols = [symbol for symbol, _ in lines]
    assert symbols == ["<blank>", "SIL", "▁ni3", "▁hao3", "▁", "▁SIL", "</s>"]
    characters = sherpa_tokens(metadata(token_type="char")).splitlines()
    assert characters[2:5] == ["ni3 2", "hao3 3", "▁ 4"]


def test_another_list_of_tokens_is_left_alone(tmp_path: Path) -> None:
    text = sherpa_tokens(metadata())
    model = tmp_path / "a.onnx"
    assert tokens_path(model, text) == tmp_path / "tokens.txt"
    (tmp_path / "tokens.txt").write_text(text, encoding="utf-8")
    assert tokens_path(model, text) == tmp_path / "tokens.txt"
    (tmp_path / "tokens.txt").write_text("<blank>\n", encoding="utf-8")
    assert tokens_path(model, text) == tmp_path / "a.tokens.txt"
