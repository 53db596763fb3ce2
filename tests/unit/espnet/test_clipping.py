import math

import pytest
import torch
from models import build, of_kind, training_args

from speechmoe_espnet.espnet.rank_training import RankTrainer
from speechmoe_espnet.espnet.task import SpeechMoEASRTask


def stepped(encoder="speechmoe", clip=True, encoder_conf=None, **overrides):
    """Gradients by name before and after a step, their sizes different in every group."""
    conf = {"ctc_weight": 1.0, "clip_by_group": clip}
    args = training_args(
        encoder, model_conf=conf, encoder_conf=encoder_conf or {}, optim="sgd", **overrides
    )
    model = SpeechMoEASRTask.build_model(args)
    (optimizer,) = SpeechMoEASRTask.build_optimizers(args, model)
    sizes = {"routers": 0.01, "experts": 0.3, "rest": 10.0}
    for name, parameter in model.named_parameters():
        parameter.grad = sizes[of_kind(name)] * torch.randn_like(parameter)
    before = {name: p.grad.clone() for name, p in model.named_parameters()}
    optimizer.step()
    return before, {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize(("grad_clip", "norm_type"), [(2.0, 2.0), (1e-3, 2.0), (2.0, 1.0)])
def test_each_group_has_its_own_limit(grad_clip, norm_type):
    before, after = stepped(grad_clip=grad_clip, grad_clip_type=norm_type)
    factors = {}
    for group in ("routers", "experts", "rest"):
        values = torch.cat([g.flatten() for name, g in before.items() if of_kind(name) == group])
        norm = values.abs().pow(norm_type).sum().pow(1 / norm_type).item()
        factors[group] = min(1.0, grad_clip / norm)
    assert factors["rest"] < factors["experts"]
    for name, gradient in before.items():
        torch.testing.assert_close(after[name], factors[of_kind(name)] * gradient, msg=name)


@pytest.mark.parametrize("conf", [{"clip": False}, {"grad_clip": 1e9}])
def test_small_gradients_stay_and_so_do_all_without_the_option(conf):
    before, after = stepped(**conf)
    assert all(torch.equal(gradient, after[name]) for name, gradient in before.items())


@pytest.mark.parametrize(("model_conf", "expected"), [({"clip_by_group": True}, math.inf), ({}, 3)])
def test_the_trainer_leaves_clipping_to_the_optimizer(model_conf, expected):
    args = training_args(grad_clip=3.0, model_conf=model_conf)
    args.distributed = False
    assert RankTrainer.build_options(args).grad_clip == expected
    assert args.grad_clip == 3.0


def test_sharded_gradients_are_refused():
    args = training_args(model_conf={"clip_by_group": True})
    model = build(model_conf={"clip_by_group": True})
    args.sharded_ddp = True
    with pytest.raises(ValueError, match="clip_by_group cannot be combined with sharded_ddp"):
        SpeechMoEASRTask.build_optimizers(args, model)
