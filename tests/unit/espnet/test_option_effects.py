"""Options of model_conf that nobody applies, or that change nothing, stop a training."""

import pytest
import torch
from espnet2.tasks.asr import ASRTask
from espnet2.train.trainer import Trainer
from models import batch, build, training_args

from speechmoe_espnet.espnet.option_effects import OF_INIT_PARAM, OF_OPTIMIZER
from speechmoe_espnet.espnet.rank_training import RankTrainer
from speechmoe_espnet.espnet.task import SpeechMoEASRTask
from speechmoe_espnet.espnet.upcycling import load_init_param

VALUES = {
    "router_lr_scale": 0.5,
    "expert_lr_scale": 2.0,
    "clip_by_group": True,
    "expert_init_noise": 0.1,
    "expert_init_redraw": 0.5,
    "alpha_schedule": [[0, 1.0]],
    "beta_schedule": [[0, 1.0]],
    "load_balance_weight": 0.1,
    "router_z_weight": 0.1,
}
EVERY = pytest.mark.parametrize("name", VALUES)
DENSE = {"moe_conf": {"num_experts": 1}}
STRAIGHT = {"moe_conf": {"router_scale": "straight_through"}}


@pytest.mark.parametrize("name", OF_OPTIMIZER)
def test_a_task_that_builds_its_own_optimizer_is_refused(name):
    args = training_args(model_conf={name: VALUES[name]})
    model = ASRTask.build_model(args)
    ASRTask.build_optimizers(args, model)
    with pytest.raises(ValueError, match=f"{name} .* would be ignored: .* by `python -m speech"):
        model(**batch())
    # What does not train needs nobody to apply it.
    model.eval()(**batch())
    with torch.no_grad():
        model.train()(**batch())
    SpeechMoEASRTask.build_optimizers(args, model)
    model(**batch())[0].backward()


@pytest.mark.parametrize("name", OF_INIT_PARAM[:2])
def test_experts_that_were_not_copied_are_refused(name, tmp_path):
    conf = {"encoder_conf": STRAIGHT, "model_conf": {name: VALUES[name]}}
    model = build(**conf)
    with pytest.raises(ValueError, match=f"{name} .* has no effect: no dense model was loaded"):
        model(**batch())
    dense = build(encoder_conf=DENSE)
    torch.save(dense.state_dict(), tmp_path / "dense.pth")
    load_init_param(str(tmp_path / "dense.pth"), model, False)
    model(**batch())[0].backward()


def test_a_seed_of_nothing_is_refused():
    args = training_args(model_conf={"expert_init_seed": 3})
    with pytest.raises(ValueError, match="expert_init_seed 3 has no effect without expert_init_no"):
        SpeechMoEASRTask.build_optimizers(args, SpeechMoEASRTask.build_model(args))


@EVERY
@pytest.mark.parametrize(
    ("encoder", "encoder_conf"),
    [("speechmoe", DENSE), ("speechmoe_conformer", DENSE), ("conformer", {})],
)
def test_options_of_experts_are_refused_where_there_are_none(name, encoder, encoder_conf):
    args = training_args(encoder, encoder_conf=encoder_conf, model_conf={name: VALUES[name]})
    # A model that was trained with the option still loads and recognises.
    model = SpeechMoEASRTask.build_model(args)
    model.eval()(**batch())
    for train in (
        lambda: SpeechMoEASRTask.build_optimizers(args, model),
        lambda: model.train()(**batch()),
    ):
        with pytest.raises(ValueError, match=f"{name} .* has no effect: .* remove it, or set it"):
            train()


def test_defaults_are_never_refused():
    for encoder in ("speechmoe", "conformer"):
        args = training_args(encoder)
        model = ASRTask.build_model(args)
        ASRTask.build_optimizers(args, model)
        model(**batch())[0].backward()


@pytest.mark.parametrize("name", OF_OPTIMIZER)
def test_deepspeed_which_makes_an_optimizer_of_its_own_is_refused(name, tmp_path):
    args = training_args(model_conf={name: VALUES[name]})
    args.output_dir, args.distributed, args.use_deepspeed = str(tmp_path / "exp"), False, True
    with pytest.raises(ValueError, match=f"{name} .* would be ignored: --use_deepspeed makes"):
        SpeechMoEASRTask.main_worker(args)
    assert not (tmp_path / "exp").exists()


@pytest.mark.parametrize(
    ("conf", "options", "trainer"),
    [
        ({}, {}, Trainer),
        ({"clip_by_group": True}, {}, RankTrainer),
        ({}, {"distributed": True}, RankTrainer),
        # DeepSpeed refuses every trainer but ESPnet's.
        ({}, {"distributed": True, "use_deepspeed": True}, Trainer),
    ],
)
def test_the_trainer_is_espnets_unless_it_lacks_something(
    conf, options, trainer, tmp_path, monkeypatch
):
    seen = []
    monkeypatch.setattr(ASRTask, "main_worker", classmethod(lambda cls, _: seen.append(cls)))
    args = training_args(model_conf=conf)
    args.output_dir, args.dry_run, args.distributed = str(tmp_path), True, False
    vars(args).update(options)
    SpeechMoEASRTask.main_worker(args)
    (task,) = seen
    assert task.trainer is trainer
    assert issubclass(task, SpeechMoEASRTask)
    assert task.__name__ == "SpeechMoEASRTask"
    assert SpeechMoEASRTask.trainer is Trainer
