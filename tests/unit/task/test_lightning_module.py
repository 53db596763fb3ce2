import pytest
import torch
from models import batch, of_kind, training_args

pytest.importorskip("lightning", reason="needs the packages of the extra espnet3")

from espnet3.components.modeling.lightning_module import ESPnetLightningModule
from espnet3_training import lightning_module

from speechmoe_espnet.espnet.task import SpeechMoEASRTask
from speechmoe_espnet.task.lightning_module import SpeechMoELightningModule

LIGHTNINGS = "torch.optim.lr_scheduler."


def rates_by_name(module, configured):
    """Base rate of each parameter, by name."""
    optimizer = configured["optimizer"]
    scheduler = configured["lr_scheduler"]["scheduler"]
    rates = {
        id(p): base
        for group, base in zip(optimizer.param_groups, scheduler.base_lrs, strict=True)
        for p in group["params"]
    }
    return {name: rates[id(p)] for name, p in module.model.named_parameters()}


@pytest.mark.parametrize("router", [1.0, 0.1])
@pytest.mark.parametrize("expert", [1.0, 3.0])
def test_routers_and_experts_get_their_own_rates(router, expert):
    module = lightning_module({"router_lr_scale": router, "expert_lr_scale": expert})
    assert type(module) is SpeechMoELightningModule
    configured = module.configure_optimizers()
    scales = {"routers": router, "experts": expert, "rest": 1.0}
    for name, rate in rates_by_name(module, configured).items():
        assert rate == pytest.approx(0.1 * scales[of_kind(name)]), name
    assert configured["lr_scheduler"]["interval"] == "step"
    assert configured["lr_scheduler"]["scheduler"].optimizer is configured["optimizer"]


def test_rates_are_those_of_espnet2s_training():
    conf = {"router_lr_scale": 0.1, "expert_lr_scale": 3.0}
    module = lightning_module(conf)
    args = training_args(optim="sgd", optim_conf={"lr": 0.1}, model_conf=conf)
    (expected,) = SpeechMoEASRTask.build_optimizers(args, module.model)
    for group, other in zip(
        module.configure_optimizers()["optimizer"].param_groups, expected.param_groups, strict=True
    ):
        assert [id(p) for p in group["params"]] == [id(p) for p in other["params"]]
        # WarmupLR has begun: the rate is a share of the base rate.
        assert group["initial_lr"] == pytest.approx(other["lr"])


def test_loggers_name_the_groups():
    configured = lightning_module({"router_lr_scale": 0.1}).configure_optimizers()
    assert [group["name"] for group in configured["optimizer"].param_groups] == ["rest", "routers"]


def test_the_monitor_of_a_scheduler_stays():
    scheduler = {"_target_": f"{LIGHTNINGS}ReduceLROnPlateau", "patience": 1}
    configured = lightning_module(
        {"router_lr_scale": 0.1},
        scheduler=scheduler,
        scheduler_interval="epoch",
        scheduler_monitor="valid/loss",
    ).configure_optimizers()
    settings = configured["lr_scheduler"]
    assert (settings["interval"], settings["monitor"]) == ("epoch", "valid/loss")


@pytest.mark.parametrize(
    ("target", "conf"),
    [
        ("torch.optim.lr_scheduler.OneCycleLR", {"max_lr": 0.1, "total_steps": 9}),
        ("torch.optim.lr_scheduler.CyclicLR", {"base_lr": 0.01, "max_lr": 0.1}),
        (
            "espnet2.schedulers.cosine_anneal_warmup_restart.CosineAnnealingWarmupRestarts",
            {"first_cycle_steps": 9, "min_lr": 0.01},
        ),
    ],
)
@pytest.mark.parametrize("name", ["router_lr_scale", "expert_lr_scale"])
def test_a_scheduler_of_one_rate_is_refused(name, target, conf):
    module = lightning_module({name: 0.5}, scheduler={"_target_": target, **conf})
    with pytest.raises(ValueError, match=rf"model_conf: {name} 0.5 would be undone by .*{target}"):
        module.configure_optimizers()


@pytest.mark.parametrize(
    ("target", "conf"),
    [
        ("torch.optim.lr_scheduler.CosineAnnealingLR", {"T_max": 9}),
        ("torch.optim.lr_scheduler.LinearLR", {"total_iters": 9}),
        ("espnet2.schedulers.noam_lr.NoamLR", {"model_size": 32}),
        ("espnet2.schedulers.tristage_lr.TristageLR", {"max_steps": 9}),
        (
            "espnet3.components.schedulers.linear_warmup_decay.LinearWarmupDecayLR",
            {"warmup_steps": 3, "total_steps": 9},
        ),
    ],
)
def test_other_schedulers_keep_the_scale_all_the_way(target, conf):
    module = lightning_module({"router_lr_scale": 0.1}, scheduler={"_target_": target, **conf})
    configured = module.configure_optimizers()
    optimizer = configured["optimizer"]
    for _ in range(8):
        rest, routers = (group["lr"] for group in optimizer.param_groups)
        assert routers == pytest.approx(0.1 * rest)
        optimizer.step()
        configured["lr_scheduler"]["scheduler"].step()


def clipped(norms, **model_conf):
    """Norm of the gradients of each kind after clipping at 2.0; before, `norms`."""
    module = lightning_module(model_conf, trainer={"gradient_clip_val": 2.0, "accelerator": "cpu"})
    optimizer = module.configure_optimizers()["optimizer"]
    kinds = {"rest": [], "routers": [], "experts": []}
    for name, p in module.model.named_parameters():
        kinds[of_kind(name)].append(p)
    for kind, parameters in kinds.items():
        count = sum(p.numel() for p in parameters)
        for p in parameters:
            p.grad = torch.full_like(p, norms[kind] / count**0.5)
    module.configure_gradient_clipping(optimizer, 2.0, "norm")
    return {
        kind: torch.cat([p.grad.flatten() for p in parameters]).norm().item()
        for kind, parameters in kinds.items()
    }


def test_each_group_has_its_own_limit():
    found = clipped({"rest": 10.0, "routers": 0.5, "experts": 4.0}, clip_by_group=True)
    assert found == pytest.approx({"rest": 2.0, "routers": 0.5, "experts": 2.0}, rel=1e-4)


def test_without_the_option_lightning_clips_all_together(monkeypatch):
    called = []
    monkeypatch.setattr(
        ESPnetLightningModule, "clip_gradients", lambda self, *_, **how: called.append(how)
    )
    clipped({"rest": 10.0, "routers": 0.5, "experts": 4.0})
    assert called == [{"gradient_clip_val": 2.0, "gradient_clip_algorithm": "norm"}]


def test_losses_of_the_model_reach_the_log(monkeypatch):
    module = lightning_module()
    logged = {}
    monkeypatch.setattr(module, "_trainer", object())
    monkeypatch.setattr(module, "log_dict", lambda stats, **_: logged.update(stats))
    loss = module.training_step((["utt"], batch()), 0)
    weights = module.model.weights
    routing = weights.alpha * logged["train/loss_sparsity"]
    routing += weights.beta * logged["train/loss_importance"]
    rest = logged["train/loss_ctc"] + weights.gamma * logged["train/loss_embedding"]
    frames = (loss.item() - rest) / routing
    # Routing losses are weighted by the mean number of frames of an utterance.
    assert frames == pytest.approx((70 // 3 + 1 + 52 // 3 + 1 + 31 // 3 + 1) / 3, rel=1e-3)


def test_models_of_others_are_trained_as_espnet3_does():
    task = "espnet3.systems.esp2_asr.task.ASRTask"
    lightning_module()  # plugs in
    encoder = {"encoder": "rnn", "encoder_conf": {}, "model": "espnet", "freeze_param": ["ctc"]}
    module = lightning_module(model=encoder, task=task)
    assert not hasattr(module.model, "router_lr_scale")
    configured = module.configure_optimizers()
    (group,) = configured["optimizer"].param_groups
    assert "name" not in group


def test_espnet3s_own_task_trains_our_model_by_name():
    lightning_module()  # plugs in
    task = "espnet3.systems.esp2_asr.task.ASRTask"
    module = lightning_module({"router_lr_scale": 0.1}, {"model": "speechmoe"}, task=task)
    assert len(module.configure_optimizers()["optimizer"].param_groups) == 2


def test_our_encoder_without_our_model_is_refused():
    lightning_module()  # plugs in
    task = "espnet3.systems.esp2_asr.task.ASRTask"
    with pytest.raises(ValueError, match=r"ESPnetASRModel does not train .* model: speechmoe"):
        lightning_module(model={"model": "espnet"}, task=task)
