"""Damaged and incomplete checkpoints, generated: one line, or exactly what was saved."""

import importlib
import pickle

import pytest
import torch
import yaml
from espnet2.tasks.asr import ASRTask
from espnet2.train.reporter import Reporter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import build, training_args

from speechmoe_espnet.espnet.checkpoint_file import load_into, read_checkpoint, read_state
from speechmoe_espnet.espnet.registry import register
from speechmoe_espnet.espnet.upcycling import load_init_param
from speechmoe_espnet.system.cli import ArgumentParser, run

ANY = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
DENSE = {"moe_conf": {"num_experts": 2}, "linear_units": 8, "output_size": 8}


@pytest.fixture(scope="module")
def model():
    return build(encoder_conf=DENSE)


@pytest.fixture(scope="module")
def content(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model.pth"
    torch.save(model.state_dict(), path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(training_args(encoder_conf=DENSE))))
    return folder


def one_line(error):
    message = str(error.value)
    assert "\n" not in message
    return message


@ANY
@given(place=st.integers(0, 2**40), bits=st.integers(1, 255))
def test_flipped_bits_are_one_line_or_change_nothing(model, content, tmp_path, place, bits):
    path = tmp_path / "model.pth"
    damaged = bytearray(content)
    damaged[place % len(content)] ^= bits
    path.write_bytes(damaged)
    try:
        state = read_state(path)
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017
        assert str(path) in str(error)  # noqa: PT017
        return
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@ANY
@given(size=st.integers(0, 2**40), tail=st.binary(max_size=30))
def test_files_that_are_cut_off_or_go_on_are_one_line(content, tmp_path, size, tail):
    path = tmp_path / "model.pth"
    path.write_bytes(content[: size % len(content)] + tail)
    with pytest.raises(ValueError, match=r"model\.pth: ") as error:
        read_state(path)
    one_line(error)


@ANY
@given(content=st.binary(max_size=200), head=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02"]))
def test_other_files_are_one_line(tmp_path, content, head):
    path = tmp_path / "model.pth"
    path.write_bytes(head + content)
    with pytest.raises(ValueError, match=r"model\.pth: ") as error:
        read_checkpoint(path)
    one_line(error)


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_objects_are_never_made(tmp_path, capsys):
    path = tmp_path / "model.pth"
    torch.save({"weight": Evil()}, path)
    with pytest.raises(ValueError, match="which alone are read") as error:
        read_checkpoint(path)
    one_line(error)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match="not a checkpoint"):
        read_checkpoint(path)
    assert "executed" not in capsys.readouterr().out


def test_pointers_of_git_lfs_are_told(tmp_path):
    path = tmp_path / "model.pth"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n")
    with pytest.raises(ValueError, match=r"pointer of Git LFS.*git lfs pull"):
        read_checkpoint(path)


def test_a_checkpoint_for_resuming_is_no_model(tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save({"model": {"w": torch.ones(1)}, "reporter": Reporter().state_dict()}, path)
    assert read_checkpoint(path)["model"]["w"] == 1
    with pytest.raises(ValueError, match=r"checkpoint\.pth is for resuming"):
        read_state(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_every_tensor_must_be_finite(model, tmp_path, value):
    path = tmp_path / "model.pth"
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        state = {key: value.clone() for key, value in model.state_dict().items()}
        state[name].view(-1)[-1] = value
        torch.save({"model": state}, path)
        with pytest.raises(ValueError, match=f"model.{name} has values that are not finite"):
            read_checkpoint(path)


def changed(model, path, change, name):
    state = dict(model.state_dict())
    if change == "lacks":
        del state[name]
    elif change == "another shape":
        state[name] = torch.zeros(*state[name].shape, 2)
    else:
        state[f"{name}.more"] = state[name]
    torch.save(state, path)


@pytest.mark.parametrize("change", ["lacks", "another shape", "model of config.yaml lacks"])
def test_every_tensor_is_accounted_for(model, experiment, change):
    """By the loader of decode, export, Speech2Text and asr_inference, and by that of the LM."""
    register()
    path = experiment / "model.pth"
    names = list(model.state_dict())
    for name in names[:: len(names) // 12]:
        changed(model, path, change, name)
        with pytest.raises(ValueError, match=r"model\.pth: .*config\.yaml") as error:
            ASRTask.build_model_from_file(experiment / "config.yaml", path)
        assert name in one_line(error) or change == "another shape"
        with pytest.raises(ValueError, match=change) as error:
            load_into(build(encoder_conf=DENSE), path)
        assert name in one_line(error)


def test_a_whole_file_is_loaded(model, experiment):
    register()
    torch.save(model.state_dict(), experiment / "model.pth")
    torch.manual_seed(17)
    loaded, _ = ASRTask.build_model_from_file(experiment / "config.yaml", experiment / "model.pth")
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])


def test_other_encoders_may_leave_tensors_of_a_file_with_a_warning(tmp_path, capsys):
    register()
    args = training_args("conformer")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    state = build("conformer").state_dict()
    torch.save({**state, "decoder.old": torch.ones(2)}, tmp_path / "model.pth")
    ASRTask.build_model_from_file(tmp_path / "config.yaml", tmp_path / "model.pth")
    assert "1 tensors have no place in the model: decoder.old" in capsys.readouterr().err
    del state["ctc.ctc_lo.bias"]
    torch.save(state, tmp_path / "model.pth")
    with pytest.raises(ValueError, match=r"lacks 1 tensors .* ctc\.ctc_lo\.bias"):
        ASRTask.build_model_from_file(tmp_path / "config.yaml", tmp_path / "model.pth")


def test_every_way_of_espnet_to_a_checkpoint_is_this_reader():
    register()
    for name in (
        "espnet2.torch_utils.safe_torch_load",
        "espnet2.tasks.abs_task",
        "espnet2.torch_utils.load_pretrained_model",
        "espnet2.main_funcs.average_nbest_models",
        "espnet2.train.trainer",
    ):
        assert importlib.import_module(name).safe_torch_load is read_checkpoint


def test_damage_in_an_average_a_resumed_training_and_init_param(model, content, tmp_path):
    register()
    from espnet2.main_funcs.average_nbest_models import average_nbest_models
    from espnet2.train.trainer import Trainer

    damaged = bytearray(content)
    damaged[content.index(model.ctc.ctc_lo.weight.detach().numpy().tobytes())] ^= 4
    for name in ("1epoch.pth", "2epoch.pth", "checkpoint.pth"):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "2epoch.pth").write_bytes(damaged)
    reporter = Reporter()
    for epoch in (1, 2):
        reporter.set_epoch(epoch)
        reporter.stats[epoch] = {"valid": {"loss": 1.0, "time": 0, "total_count": 1}}
    with pytest.raises(ValueError, match=r"2epoch\.pth: damaged: the checksum"):
        average_nbest_models(tmp_path, reporter, [("valid", "loss", "min")], 2)
    (tmp_path / "checkpoint.pth").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"checkpoint\.pth: damaged"):
        Trainer.resume(tmp_path / "checkpoint.pth", model, [], [], reporter, None)
    with pytest.raises(ValueError, match=r"2epoch\.pth: damaged"):
        load_init_param(str(tmp_path / "2epoch.pth"), model, True)


def test_a_missing_file_is_one_line_of_a_command(tmp_path, capsys):
    parser = ArgumentParser(prog="x")
    assert run(lambda _: read_checkpoint(tmp_path / "none.pth"), parser, []) == 1
    assert capsys.readouterr().err == f"x: error: no file {tmp_path / 'none.pth'}\n"
