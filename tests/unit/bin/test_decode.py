"""The decode command on tiny random models, ESPnet's and ours, in one process."""

import json
import shutil
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
import torch
import yaml
from decoding import (
    BINS,
    CONF,
    CONFORMER,
    UNITS,
    ModelMaker,
    read_json,
    run,
    write_config,
)

from speechmoe_espnet.data.table import read_table


def test_any_espnet_model_with_ctc(conformer: Path, data_dirs: list[Path], tmp_path: Path) -> None:
    config = write_config(tmp_path / "greedy.yaml", method="ctc_greedy", batch_frames=250)
    assert run(conformer, config, data_dirs, tmp_path / "out") == 0
    text = read_table(tmp_path / "out" / "set_b" / "text", allow_empty=True)
    assert list(text) == ["b1", "b2", "b3"]
    assert any(text.values())
    assert set("".join(text.values())) <= set("".join(UNITS[2:-1]))
    rtf = read_json(tmp_path / "out" / "set_b" / "rtf.json")
    assert rtf["num_utts"] == 3
    assert rtf["seconds_audio"] == pytest.approx(3.94)
    assert rtf["rtf"] == pytest.approx(rtf["seconds_decode"] / rtf["seconds_audio"])
    model = read_json(tmp_path / "out" / "model.json")
    assert model["params_total"] == model["params_active"] > 1000
    assert model["flops_per_second_of_audio"] == model["flops_without_embedding_network"] > 1000
    assert not (tmp_path / "out" / "set_b" / "routing.json").exists()


@pytest.mark.parametrize(
    ("options", "processes", "threads", "total"),
    [
        (["--num_threads", "1"], 1, 1, 1),
        (["--nj", "2"], 2, 1, 2),
    ],
)
def test_real_time_factor_says_what_it_was_measured_with(
    conformer: Path,
    data_dirs: list[Path],
    tmp_path: Path,
    options: list[str],
    processes: int,
    threads: int,
    total: int,
) -> None:
    config = write_config(tmp_path / "greedy.yaml", method="ctc_greedy", batch_frames=250)
    assert run(conformer, config, data_dirs[:1], tmp_path / "out", *options) == 0
    (rtf,) = (read_json(path) for path in (tmp_path / "out").glob("*/rtf.json"))
    assert (rtf["num_processes"], rtf["num_threads"], rtf["threads"]) == (processes, threads, total)
    assert rtf["device"] == "CPU"
    assert rtf["machine"]


def test_existing_results_are_not_overwritten(
    conformer: Path,
    data_dirs: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = write_config(tmp_path / "greedy.yaml", method="ctc_greedy")
    (tmp_path / "out" / "set_b").mkdir(parents=True)
    assert run(conformer, config, data_dirs, tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert "set_b exists already" in error
    assert "loading" not in error
    assert not (tmp_path / "out" / "set_a").exists()


@pytest.mark.parametrize("name", ["speechmoe", "paper"])
def test_routing_of_a_mixture_of_experts(
    name: str, request: pytest.FixtureRequest, data_dirs: list[Path], tmp_path: Path
) -> None:
    speechmoe = request.getfixturevalue(name)
    config = write_config(tmp_path / "greedy.yaml", method="ctc_greedy")
    assert run(speechmoe, config, data_dirs, tmp_path / "out") == 0
    model = read_json(tmp_path / "out" / "model.json")
    assert model["params_active"] < model["params_total"]
    assert model["flops_without_embedding_network"] < model["flops_per_second_of_audio"]
    routing = read_json(tmp_path / "out" / "set_b" / "routing.json")
    assert all(sum(layer["load"]) == pytest.approx(1.0) for layer in routing["layers"])
    assert all(0.25 <= layer["confidence"] <= 1.0 for layer in routing["layers"])
    with np.load(tmp_path / "out" / "set_b" / "routing_example.npz") as example:
        assert str(example["utt"]) == "b3"
        assert example["feats"].shape == (119, BINS)
        assert example["expert"].shape == example["prob"].shape
        assert example["expert"].shape == (len(routing["layers"]), len(example["units"]))
        assert abs(len(example["units"]) * int(example["subsampling"]) - 119) <= 16
        assert set(example["units"].tolist()) <= {"", *UNITS[1:]}


@pytest.mark.parametrize("method", ["ctc_greedy", "ctc_prefix_beam"])
def test_processes_and_batches_do_not_change_results(
    speechmoe: Path, data_dirs: list[Path], tmp_path: Path, method: str
) -> None:
    outputs = []
    for name, batch_frames, more in (("one", 1, []), ("all", 9999, []), ("nj", 1, ["--nj", "2"])):
        config = write_config(tmp_path / "c.yaml", method=method, batch_frames=batch_frames)
        assert run(speechmoe, config, data_dirs, tmp_path / name, *more) == 0
        outputs.append(tmp_path / name / "set_b")
    one, every, jobs = outputs
    assert (one / "text").read_bytes() == (every / "text").read_bytes()
    for file in ("text", "nbest.jsonl", "routing.json"):
        assert (one / file).read_bytes() == (jobs / file).read_bytes()


def test_nbest_lists_are_sorted_and_start_with_the_text(
    conformer: Path, data_dirs: list[Path], tmp_path: Path
) -> None:
    config = write_config(tmp_path / "c.yaml", method="ctc_prefix_beam", beam_size=4, nbest=3)
    assert run(conformer, config, data_dirs[1:], tmp_path / "out") == 0
    text = read_table(tmp_path / "out" / "set_b" / "text", allow_empty=True)
    lines = (tmp_path / "out" / "set_b" / "nbest.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(text)
    for line in map(json.loads, lines):
        scores = [hyp["score"] for hyp in line["hyps"]]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
        assert line["hyps"][0]["text"] == text[line["utt"]]


def test_espnets_own_search_agrees(conformer: Path, data_dirs: list[Path], tmp_path: Path) -> None:
    from espnet2.bin.asr_inference import Speech2Text

    config = write_config(tmp_path / "c.yaml", method="ctc_prefix_beam", beam_size=10)
    assert run(conformer, config, data_dirs, tmp_path / "out") == 0
    options = yaml.safe_load((CONF / "decode_espnet.yaml").read_text(encoding="utf-8"))
    espnet = Speech2Text(conformer / "config.yaml", conformer / "valid.loss.ave.pth", **options)
    for data_dir in data_dirs:
        text = read_table(tmp_path / "out" / data_dir.name / "text", allow_empty=True)
        for utt, features in kaldiio.load_scp(str(data_dir / "feats.scp")).items():
            assert espnet(torch.tensor(features))[0][0] == text[utt]


def test_audio_where_the_model_has_a_frontend(make_model: ModelMaker, tmp_path: Path) -> None:
    model_dir = make_model(
        "audio",
        model="espnet",
        frontend="default",
        frontend_conf={"fs": "8k", "n_mels": BINS, "hop_length": 80, "n_fft": 256},
        encoder="conformer",
        encoder_conf=CONFORMER,
    )
    wav = tmp_path / "x.wav"
    soundfile.write(wav, np.random.default_rng(0).standard_normal(16000) / 10, 8000)
    data_dir = tmp_path / "set_w"
    data_dir.mkdir()
    (data_dir / "wav.scp").write_text(f"x {wav}\n")
    config = write_config(tmp_path / "c.yaml", method="ctc_greedy")
    assert run(model_dir, config, [data_dir], tmp_path / "out") == 0
    assert list(read_table(tmp_path / "out" / "set_w" / "text", allow_empty=True)) == ["x"]
    assert read_json(tmp_path / "out" / "set_w" / "rtf.json")["seconds_audio"] == 2.0


@pytest.mark.parametrize("name", ["conformer", "speechmoe"])
def test_an_utterance_too_short_for_the_model_gets_an_empty_hypothesis(
    name: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data_dir = tmp_path / "short"
    data_dir.mkdir()
    features = {"s": np.ones((3, BINS), np.float32), "t": np.ones((4, BINS), np.float32)}
    kaldiio.save_ark(str(data_dir / "f.ark"), features, scp=str(data_dir / "feats.scp"))
    config = write_config(tmp_path / "c.yaml", method="ctc_greedy")
    assert run(request.getfixturevalue(name), config, [data_dir], tmp_path / "out") == 0
    assert (tmp_path / "out" / "short" / "text").read_text() == "s\nt\n"
    assert "short: s: too short for the model" in capsys.readouterr().err


def test_mistakes_are_one_line_that_names_them(
    conformer: Path, data_dirs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path / "c.yaml", method="ctc_greedy")
    wide = tmp_path / "wide"
    wide.mkdir()
    features = {"w": np.ones((50, BINS + 1), np.float32)}
    kaldiio.save_ark(str(wide / "f.ark"), features, scp=str(wide / "feats.scp"))
    bad = tmp_path / "bad"
    bad.mkdir()
    features = {"n": np.full((50, BINS), np.inf, np.float32)}
    kaldiio.save_ark(str(bad / "f.ark"), features, scp=str(bad / "feats.scp"))
    (bad / "utt2num_frames").write_text("n 50\n")
    out = tmp_path / "out"
    cases: list[tuple[Path, list[Path], list[str], str]] = [
        (tmp_path, data_dirs, [], "no model configuration"),
        (conformer, data_dirs, ["--model_file", "x.pth"], "--model_file: valid.loss.ave.pth"),
        (conformer, [data_dirs[0]] * 2, [], "two directories are named set_a"),
        (conformer, [tmp_path], [], "feats.scp; extract features first"),
        (conformer, data_dirs, ["--nj", "0"], "--nj must be at least 1, got 0"),
        (conformer, data_dirs, ["--num_threads", "-1"], "--num_threads must be at least 0, got -1"),
        (conformer, data_dirs, ["--nj", "2", "--ngpu", "1"], "one process uses the GPU"),
        (conformer, [wide], [], "w: features have 21 bins, the model was trained with 20"),
        (conformer, [bad], [], "n: "),
        (conformer, [bad], ["--nj", "2"], "features of frame 0 are not finite"),
    ]
    for model_dir, directories, more, message in cases:
        assert run(model_dir, config, directories, out, *more) == 1
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("decode: error: ")
        assert message in error


def test_a_checkpoint_of_another_model_is_refused(
    conformer: Path,
    data_dirs: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = torch.load(conformer / "valid.loss.ave.pth")
    (tmp_path / "config.yaml").write_bytes((conformer / "config.yaml").read_bytes())
    torch.save({k: v for k, v in state.items() if "encoders.0" not in k}, tmp_path / "half.pth")
    config = write_config(tmp_path / "c.yaml", method="ctc_greedy")
    out = tmp_path / "out"
    assert run(tmp_path, config, data_dirs, out, "--model_file", "half.pth") == 1
    assert "the two belong to different trainings" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["a flipped bit", "a missing tensor", "a changed config"])
def test_a_damaged_model_is_one_line(
    conformer: Path,
    data_dirs: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: str,
) -> None:
    config = write_config(tmp_path / "greedy.yaml", method="ctc_greedy")
    model = tmp_path / "model"
    shutil.copytree(conformer, model)
    (checkpoint,) = model.glob("*.pth")
    state = torch.load(checkpoint)
    name = next(name for name, value in state.items() if value.numel() > 100)
    if damage == "a flipped bit":
        content = bytearray(checkpoint.read_bytes())
        content[content.index(state[name].numpy().tobytes()) + 5] ^= 1
        checkpoint.write_bytes(content)
        said = "damaged: the checksum"
    elif damage == "a missing tensor":
        del state[name]
        torch.save(state, checkpoint)
        said = name
    else:
        (model / ".done.json").write_text("{}")
        (model / ".files.json").write_text('{"config.yaml": "0"}')
        said = "config.yaml was changed since it was made"
    assert run(model, config, data_dirs, tmp_path / "out") == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(errors) == 1
    assert errors[0].startswith("decode: error: ")
    assert said in errors[0]
    assert not (tmp_path / "out").exists()
