import pytest
import torch
from models import batch, build, of_kind, training_args

from speechmoe_espnet.espnet.parameter_groups import parameter_groups
from speechmoe_espnet.espnet.task import SpeechMoEASRTask


def optimizer_of(encoder_conf=None, **model_conf):
    args = training_args(
        optim="adamw",
        optim_conf={"lr": 0.01},
        encoder_conf=encoder_conf or {},
        model_conf=model_conf,
    )
    model = SpeechMoEASRTask.build_model(args)
    return SpeechMoEASRTask.build_optimizers(args, model)[0], model


def test_every_parameter_is_in_one_group():
    model = build()
    groups = parameter_groups(model)._asdict()
    found = {id(p): name for name, parameters in groups.items() for p in parameters}
    assert sum(len(parameters) for parameters in groups.values()) == len(found)
    assert len(found) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        assert found[id(parameter)] == of_kind(name), name
    assert all(groups.values())


def test_a_dense_baseline_has_neither_routers_nor_experts():
    groups = parameter_groups(build(encoder_conf={"moe_conf": {"num_experts": 1}}))
    assert groups.routers == groups.experts == []


@pytest.mark.parametrize("router", [1.0, 0.1])
@pytest.mark.parametrize("expert", [1.0, 3.0])
def test_routers_and_experts_get_their_own_learning_rates(router, expert):
    optimizer, model = optimizer_of(router_lr_scale=router, expert_lr_scale=expert)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    names = dict(model.named_parameters())
    assert len(rates) == len(names)
    assert len(optimizer.param_groups) == 1 + (router != 1.0) + (expert != 1.0)
    scales = {"routers": router, "experts": expert, "rest": 1.0}
    for name, parameter in names.items():
        assert rates[id(parameter)] == pytest.approx(0.01 * scales[of_kind(name)]), name


@pytest.mark.parametrize("name", ["router_lr_scale", "expert_lr_scale"])
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"scheduler": "onecyclelr"}, "0.1 would be undone by scheduler: onecyclelr"),
        ({"exclude_weight_decay": True}, "0.1 cannot be combined with"),
    ],
)
def test_options_that_forget_group_rates_are_refused(name, overrides, message):
    args = training_args(**overrides, model_conf={name: 0.1})
    with pytest.raises(ValueError, match=f"model_conf: {name} {message}"):
        SpeechMoEASRTask.build_optimizers(args, SpeechMoEASRTask.build_model(args))


def test_steps_are_as_long_as_the_rates_say():
    args = training_args(optim="sgd", optim_conf={"lr": 0.1, "momentum": 0.0})
    args.model_conf |= {"router_lr_scale": 0.5, "expert_lr_scale": 4.0}
    model = SpeechMoEASRTask.build_model(args)
    (optimizer,) = SpeechMoEASRTask.build_optimizers(args, model)
    model.eval()(**batch())[0].backward()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer.step()
    rates = {"routers": 0.05, "experts": 0.4, "rest": 0.1}
    for name, p in model.named_parameters():
        torch.testing.assert_close(p, before[name] - rates[of_kind(name)] * p.grad, msg=name)


def test_without_a_scale_the_optimizer_is_espnets():
    args = training_args()
    (optimizer,) = SpeechMoEASRTask.build_optimizers(args, build())
    assert len(optimizer.param_groups) == 1
