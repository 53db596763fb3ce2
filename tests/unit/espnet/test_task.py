import inspect
import io
import json
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch
import yaml
from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
from models import TOKENS, batch, build, of_kind, training_args

from speechmoe_espnet.augment import FeatureVariation
from speechmoe_espnet.bin import asr_inference, asr_train
from speechmoe_espnet.espnet import task_base
from speechmoe_espnet.espnet.task import SpeechMoEASRTask
from speechmoe_espnet.moe import MoEOptions


def test_the_parser_is_espnets_with_the_plug_in():
    parser = SpeechMoEASRTask.get_parser()
    help_text = parser.format_help()
    assert "speechmoe_conformer" in help_text
    assert "--init_param" in help_text
    assert parser.get_default("model") == "speechmoe"


def print_config(monkeypatch, *argv):
    argv = [*argv, "--print_config"]
    monkeypatch.setattr(sys, "argv", ["asr_train", *argv])
    out = io.StringIO()
    # ESPnet's print_config takes its default stream when it is imported, before any capture.
    monkeypatch.setattr(SpeechMoEASRTask.print_config.__func__, "__defaults__", (out,))
    with pytest.raises(SystemExit) as stop:
        asr_train.main(argv)
    assert stop.value.code == 0
    return yaml.safe_load(out.getvalue())


def test_print_config_shows_our_model(monkeypatch):
    assert print_config(monkeypatch)["model"] == "speechmoe"


@pytest.mark.parametrize("place", ["", "moe_conf."])
def test_print_config_shows_routing_options(monkeypatch, place):
    words = ("--encoder", "speechmoe", "--encoder_conf", f"{place}num_experts=8")
    conf = print_config(monkeypatch, *words)["encoder_conf"]
    assert conf["moe_conf"] == {**asdict(MoEOptions()), "num_experts": 8}
    assert not set(conf) & set(conf["moe_conf"])


@pytest.mark.parametrize("encoder", ["speechmoe", "conformer"])
def test_an_unknown_key_of_the_encoder_is_named(encoder):
    with pytest.raises(ValueError, match=f"unknown key 'num_expert'; encoder: {encoder} takes"):
        build(encoder, encoder_conf={"num_expert": 4})


@pytest.mark.parametrize(
    "key",
    [
        *("use_sdpa", "positionwise_layer_type", "rel_pos_type", "pos_enc_layer_type"),
        "selfattention_layer_type",
    ],
)
def test_keys_of_espnets_conformer_that_are_not_taken_are_refused(key):
    default = inspect.signature(ConformerEncoder).parameters[key].default
    with pytest.raises(ValueError, match=f"unknown key '{key}'; encoder: speechmoe_conformer tak"):
        build("speechmoe_conformer", encoder_conf={key: default})


def test_the_keys_of_moe_conf_are_named_too():
    with pytest.raises(
        ValueError, match=r"takes .*moe_conf.*; moe_conf takes num_experts, .*top_k"
    ):
        build(encoder_conf={"num_expert": 4})


@pytest.mark.parametrize("num_experts", [1, 8])
def test_older_configurations_build_the_same_model(num_experts):
    routing = {"num_experts": num_experts, "router_scale": "straight_through"}
    flat, nested = (build(encoder_conf=conf).eval() for conf in (routing, {"moe_conf": routing}))
    state = nested.state_dict()
    assert list(flat.state_dict()) == list(state)
    assert all(torch.equal(value, state[name]) for name, value in flat.state_dict().items())
    data = batch()
    outputs = [m.encode(data["speech"], data["speech_lengths"])[0] for m in (flat, nested)]
    assert torch.equal(*outputs)


def test_commands_offer_espnets_help(capsys):
    assert "speechmoe_conformer" in asr_train.get_parser().format_help()
    with pytest.raises(SystemExit) as stop:
        asr_inference.main(["--help"])
    assert stop.value.code == 0
    assert "--asr_model_file" in capsys.readouterr().out


def test_a_failure_below_this_package_keeps_its_traceback(monkeypatch):
    def fail(cmd):
        json.loads("{")

    monkeypatch.setattr(SpeechMoEASRTask, "main", fail)
    with pytest.raises(json.JSONDecodeError):
        asr_train.main([])


def test_a_users_mistake_is_one_line(capsys, tmp_path):
    argv = [
        *configuration(tmp_path / "conf.yaml", encoder_conf={"moe_conf": {"top_k": 9}}),
        "--output_dir",
    ]
    (tmp_path / "tokens.txt").write_text("".join(f"{token}\n" for token in TOKENS))
    argv += [str(tmp_path / "exp"), "--token_list", f"{tmp_path}/tokens.txt", "--input_size", "40"]
    assert asr_train.main(argv) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "asr_train: error: top_k: 9 is not between 1 and num_experts (4)"


@pytest.fixture
def data_args(tmp_path):
    """Data of ten random utterances, in ESPnet's arguments."""
    rng = np.random.default_rng(0)
    (tmp_path / "tokens.txt").write_text("".join(f"{token}\n" for token in TOKENS))
    lines = {"feats.scp": [], "text": [], "speech_shape": [], "text_shape": []}
    for i in range(10):
        frames, labels = 60 + 3 * i, 3 + i % 3
        np.save(tmp_path / f"{i}.npy", rng.standard_normal((frames, 40)).astype(np.float32))
        lines["feats.scp"].append(f"utt{i} {tmp_path}/{i}.npy")
        lines["text"].append(f"utt{i} {''.join(TOKENS[2 + (i + j) % 10] for j in range(labels))}")
        lines["speech_shape"].append(f"utt{i} {frames},40")
        lines["text_shape"].append(f"utt{i} {labels},{len(TOKENS)}")
    for name, rows in lines.items():
        (tmp_path / name).write_text("".join(f"{row}\n" for row in rows))
    argv = ["--token_list", f"{tmp_path}/tokens.txt", "--token_type", "char", "--input_size", "40"]
    for part in ("train", "valid"):
        argv += [f"--{part}_data_path_and_name_and_type", f"{tmp_path}/feats.scp,speech,npy"]
        argv += [f"--{part}_data_path_and_name_and_type", f"{tmp_path}/text,text,text"]
        argv += [f"--{part}_shape_file", f"{tmp_path}/speech_shape"]
        argv += [f"--{part}_shape_file", f"{tmp_path}/text_shape"]
    return argv


def configuration(path, **overrides):
    args = training_args(**overrides)
    conf = {
        name: getattr(args, name)
        for name in ("encoder", "encoder_conf", "model_conf", "normalize", *overrides)
    }
    conf |= {"batch_type": "numel", "batch_bins": 9000, "num_att_plot": 0, "num_workers": 0}
    conf = {"use_tensorboard": False, "use_matplotlib": False, "keep_nbest_models": 2, **conf}
    conf |= {"best_model_criterion": [["valid", "loss", "min"]], "max_epoch": 2}
    path.write_text(yaml.safe_dump(conf))
    return ["--config", str(path)]


def train(argv, output_dir):
    parser = SpeechMoEASRTask.get_parser()
    SpeechMoEASRTask.main(args=parser.parse_args([*argv, "--output_dir", str(output_dir)]))
    return torch.load(output_dir / "valid.loss.ave.pth")


def test_accumulated_batches_are_one_step_on_their_mean_gradient(data_args, tmp_path):
    overrides = {
        "encoder_conf": {
            "dropout_rate": 0.0,
            "embedding_conf": {"num_blocks": 1, "dropout_rate": 0.0},
        },
        "optim": "sgd",
        "optim_conf": {"lr": 0.01, "momentum": 0.0},
        # Importance is a property of a batch: it does not add up over batches.
        "model_conf": {"ctc_weight": 1.0, "alpha": 0.0, "beta": 0.0},
    }
    states = []
    for name, accum_grad, batch_size in (("halves", 2, 5), ("whole", 1, 10)):
        conf = configuration(tmp_path / "conf.yaml", accum_grad=accum_grad, **overrides)
        extra = ["--max_epoch", "1", "--batch_type", "unsorted", "--batch_size", str(batch_size)]
        states.append(train([*data_args, *conf, *extra, "--grad_clip", "1e9"], tmp_path / name))
        (line,) = (tmp_path / name / "train_stats.jsonl").read_text().splitlines()
        assert json.loads(line)["steps"] == 1
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], atol=1e-5, rtol=1e-4, msg=name)


def test_a_killed_training_gives_what_an_undisturbed_one_gives(data_args, tmp_path):
    schedule = {"ctc_weight": 1.0, "alpha_schedule": [[0, 0.0], [3, 1.0], [9, 0.5]]}
    warmup = {"moe_conf": {"routing_warmup_steps": 3}}
    conf = configuration(tmp_path / "conf.yaml", model_conf=schedule, encoder_conf=warmup)
    whole = train([*data_args, *conf], tmp_path / "whole")
    stats = (tmp_path / "whole/train_stats.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in stats] == [1, 2]
    assert "router_confidence" in json.loads(stats[0])["train"]

    train([*data_args, *conf, "--max_epoch", "1"], tmp_path / "halves")
    (tmp_path / "halves/1epoch.pth").unlink()
    resumed = train([*data_args, *conf, "--resume", "true"], tmp_path / "halves")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_each_group_moves_by_its_own_limit(data_args, tmp_path):
    states = []
    for lr in (0.0, 1.0):
        conf = configuration(
            tmp_path / "conf.yaml",
            optim="sgd",
            optim_conf={"lr": lr, "momentum": 0.0},
            model_conf={"ctc_weight": 1.0, "clip_by_group": True, "beta": 5.0},
        )
        extra = ["--max_epoch", "1", "--batch_type", "unsorted", "--batch_size", "10"]
        extra += ["--grad_clip", "0.01"]
        states.append(train([*data_args, *conf, *extra], tmp_path / f"{lr}"))
    saved = yaml.safe_load((tmp_path / "1.0/config.yaml").read_text())
    assert saved["grad_clip"] == 0.01
    squares = dict.fromkeys(("routers", "experts", "rest"), 0.0)
    for name, before in states[0].items():
        squares[of_kind(name)] += (states[1][name] - before).square().sum().item()
    for group, square in squares.items():
        assert square**0.5 == pytest.approx(0.01, rel=1e-3), group


def test_an_unknown_key_stops_training_before_lengths_are_checked(data_args, tmp_path):
    conf = configuration(tmp_path / "conf.yaml", encoder_conf={"num_expert": 4})
    with pytest.raises(ValueError, match="unknown key 'num_expert'"):
        train([*data_args, *conf], tmp_path / "exp")


def test_a_training_with_flat_keys_warns_once(data_args, tmp_path, caplog):
    conf = configuration(tmp_path / "conf.yaml", encoder_conf={"num_experts": 2})
    train([*data_args, *conf, "--max_epoch", "1"], tmp_path / "exp")
    assert caplog.text.count("write moe_conf: {num_experts: 2}") == 1
    saved = yaml.safe_load((tmp_path / "exp/config.yaml").read_text())
    assert saved["encoder_conf"]["num_experts"] == 2


def test_too_short_utterances_stop_training_before_it_starts(data_args, tmp_path):
    (tmp_path / "text_shape").write_text("".join(f"utt{i} 50,13\n" for i in range(10)))
    with pytest.raises(ValueError, match=r"too short for CTC, .*: utt0"):
        train([*data_args, *configuration(tmp_path / "conf.yaml")], tmp_path / "exp")
    assert not (tmp_path / "exp").exists()


VARIATION = {
    "speed": [0.8, 1.2],
    "warp": [0.9, 1.1],
    "reverb_time": [0.1, 0.4],
    "noise_snr": [0, 20],
    "channel": 4,
    "gain": [-6, 6],
    "num_time_masks": 1,
    "num_freq_masks": 1,
}


def test_training_varies_features_anew_in_each_epoch_and_validation_does_not(
    data_args, tmp_path, monkeypatch
):
    seen = []
    forward = FeatureVariation.forward

    def watched(self, x, x_lengths=None):
        out, lengths = forward(self, x, x_lengths)
        seen.append((x, out, lengths))
        return out, lengths

    monkeypatch.setattr(FeatureVariation, "forward", watched)
    conf = configuration(tmp_path / "conf.yaml", specaug="vary", specaug_conf=VARIATION)
    # All utterances are one batch: a step an epoch.
    state = train([*data_args, *conf, "--batch_bins", "90000"], tmp_path / "exp")
    assert len(seen) == 2
    (one, first, first_lengths), (two, second, second_lengths) = seen
    assert one.shape == two.shape
    assert first_lengths.tolist() != second_lengths.tolist()
    assert torch.isfinite(first).all()
    assert torch.isfinite(second).all()
    assert not any("specaug" in name for name in state)
    lines = (tmp_path / "exp/train_stats.jsonl").read_text().splitlines()
    assert np.isfinite(json.loads(lines[-1])["train"]["loss"])


def test_an_unknown_key_of_the_variation_is_named():
    with pytest.raises(ValueError, match="unknown key 'snr'; specaug: vary takes"):
        build(specaug="vary", specaug_conf={"snr": [0, 20]})


def test_too_much_speed_stops_training_before_it_starts(data_args, tmp_path):
    conf = configuration(tmp_path / "conf.yaml", specaug="vary", specaug_conf={"speed": [1.0, 4.0]})
    (tmp_path / "text_shape").write_text("".join(f"utt{i} 8,13\n" for i in range(10)))
    with pytest.raises(ValueError, match="frames after speed-up"):
        train([*data_args, *conf], tmp_path / "exp")
    assert not (tmp_path / "exp").exists()


def test_upcycling_through_the_command_line(data_args, tmp_path):
    static = configuration(tmp_path / "static.yaml", encoder_conf={"moe_conf": {"num_experts": 1}})
    dense = train([*data_args, *static], tmp_path / "static")
    moe = configuration(
        tmp_path / "moe.yaml",
        encoder_conf={"moe_conf": {"num_experts": 4, "router_scale": "straight_through"}},
        optim_conf={"lr": 0.0},
    )
    init = ["--init_param", f"{tmp_path}/static/valid.loss.ave.pth"]
    state = train([*data_args, *moe, *init], tmp_path / "moe")
    for name, value in state.items():
        if "router" not in name:
            torch.testing.assert_close(value, dense[name].expand_as(value))


def test_the_path_of_espnet3_configurations_names_the_task():
    from speechmoe_espnet.espnet.task import SpeechMoEASRTask as Task
    from speechmoe_espnet.task import SpeechMoEASRTask

    assert issubclass(SpeechMoEASRTask, Task)


def test_a_model_without_a_decoder_is_trained_by_ctc_alone():
    args = training_args()
    args.model_conf = {}
    model = SpeechMoEASRTask.build_model(args)
    assert model.ctc_weight == 1.0
    # What ESPnet writes into config.yaml, for those who load the model without this task.
    assert args.model_conf["ctc_weight"] == 1.0


@pytest.mark.parametrize(
    ("name", "hint"), [("speechmo", "did you mean speechmoe[?] allowed: "), ("x" * 9, "allowed: ")]
)
def test_an_unknown_encoder_is_named_with_those_there_are(name, hint):
    args = training_args()
    args.encoder = name
    with pytest.raises(
        ValueError, match=f"encoder: {name} is unknown; {hint}.*speechmoe_conformer"
    ):
        SpeechMoEASRTask.build_model(args)


def test_espnets_defaults_draw_attention_and_curves(data_args, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    conf = configuration(tmp_path / "conf.yaml", use_tensorboard=True, use_matplotlib=True)
    train([*data_args, *conf, "--max_epoch", "1", "--num_att_plot", "2"], tmp_path / "exp")
    plots = {path.name for path in tmp_path.glob("exp/att_ws/*/*.png")}
    assert plots == {"encoder.backbone.blocks.1.attention.1ep.png"}
    assert len(list(tmp_path.glob("exp/att_ws/*"))) == 2
    events = accumulator.EventAccumulator(str(tmp_path / "exp/tensorboard/train")).Reload()
    assert {"loss_sparsity", "loss_importance", "loss_embedding"} <= set(events.Tags()["scalars"])


def test_without_tensorboard_a_training_goes_on_and_says_so(
    data_args, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(task_base, "find_spec", lambda name: None)
    conf = configuration(tmp_path / "conf.yaml", use_tensorboard=True)
    train([*data_args, *conf, "--max_epoch", "1"], tmp_path / "exp")
    assert caplog.text.count("pip install 'speechmoe_espnet[tensorboard]'") == 1
    assert not (tmp_path / "exp/tensorboard").exists()
