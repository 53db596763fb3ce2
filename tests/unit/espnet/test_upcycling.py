import pytest
import torch
from models import batch, build

from speechmoe_espnet.espnet.upcycling import InitParam, load_init_param

STRAIGHT = {"moe_conf": {"router_scale": "straight_through", "num_experts": 4}}
ENCODERS = pytest.mark.parametrize("encoder", ["speechmoe", "speechmoe_conformer"])


def static(encoder="speechmoe", **conf):
    return build(encoder, encoder_conf={"moe_conf": {"num_experts": 1}, **conf})


def saved(model, path, drop=()):
    state = {k: v for k, v in model.state_dict().items() if not k.startswith(tuple(drop))}
    torch.save(state, path)
    return str(path)


def log_probs(model):
    data = batch()
    with torch.no_grad():
        out, lengths = model.eval().encode(data["speech"], data["speech_lengths"])
        return model.ctc.log_softmax(out), lengths


@ENCODERS
@pytest.mark.parametrize("moe_blocks", [None, [2]])
@pytest.mark.parametrize("ignore_init_mismatch", [False, True])
def test_upcycled_model_starts_as_the_dense_model(
    encoder, ignore_init_mismatch, moe_blocks, tmp_path
):
    dense = static(encoder)
    torch.manual_seed(5)
    moe = build(
        encoder, encoder_conf={"moe_conf": {**STRAIGHT["moe_conf"], "moe_blocks": moe_blocks}}
    )
    load_init_param(saved(dense, tmp_path / "dense.pth"), moe, ignore_init_mismatch)
    expected, lengths = log_probs(dense)
    actual, _ = log_probs(moe)
    for b, frames in enumerate(lengths.tolist()):
        torch.testing.assert_close(actual[b, :frames], expected[b, :frames], atol=1e-4, rtol=0)
    out = moe.encode_with_routing(batch()["speech"], batch()["speech_lengths"])
    assert len(out.routing[0].indices[0].unique()) > 1, "one expert alone would prove nothing"


@pytest.mark.parametrize(
    ("encoder", "backend"),
    [("speechmoe", "auto"), ("speechmoe", "loop"), ("speechmoe_conformer", "auto")],
)
@pytest.mark.parametrize("router", ["speechmoe", "switch"])
@pytest.mark.parametrize("top_k", [1, 2, 4])
@pytest.mark.parametrize("scale", ["paper", "straight_through"])
def test_step_0_of_every_router_top_k_and_scale(encoder, router, top_k, scale, backend, tmp_path):
    dense = static(encoder)
    torch.manual_seed(5)
    conf = {"router": router, "top_k": top_k, "router_scale": scale, "expert_backend": backend}
    moe = build(encoder, encoder_conf={"moe_conf": {"num_experts": 4, **conf}})
    load_init_param(saved(dense, tmp_path / "dense.pth"), moe, False)
    expected, lengths = log_probs(dense)
    valid = torch.arange(expected.size(1)) < lengths.unsqueeze(1)
    # With g = p, the dense layer's output is scaled by the chosen p, which is 1 of all experts.
    keeps = scale == "straight_through" or top_k == 4
    moe.eval()
    for has_gradients in (False, True):
        # Gates are computed in another way where there are gradients.
        with torch.set_grad_enabled(has_gradients):
            data = batch()
            out, _ = moe.encode(data["speech"], data["speech_lengths"])
            difference = (moe.ctc.log_softmax(out) - expected)[valid].abs().max()
        assert (difference <= 1e-4) == keeps, difference


def test_paper_scaling_changes_the_function(tmp_path):
    dense = static()
    moe = build(encoder_conf={"moe_conf": {"num_experts": 4, "router_scale": "paper"}})
    load_init_param(saved(dense, tmp_path / "dense.pth"), moe, False)
    assert (log_probs(moe)[0] - log_probs(dense)[0]).abs().max() > 1e-3


def test_every_expert_gets_the_dense_tensors_and_routers_stay(tmp_path, caplog):
    dense = static()
    moe = build(encoder_conf=STRAIGHT)
    routers = {k: v.clone() for k, v in moe.state_dict().items() if "router" in k}
    load_init_param(saved(dense, tmp_path / "dense.pth"), moe, False)
    source = dense.state_dict()
    for name, value in moe.state_dict().items():
        if "router" in name:
            assert torch.equal(value, routers[name])
        else:
            assert torch.equal(value, source[name].expand_as(value))
    assert all(name in caplog.text for name in routers)


def test_a_moe_model_loads_its_own_checkpoint(tmp_path):
    first = build(encoder_conf=STRAIGHT)
    with torch.no_grad():
        for p in first.parameters():
            p.add_(0.01)
    second = build(encoder_conf=STRAIGHT)
    load_init_param(saved(first, tmp_path / "moe.pth"), second, False)
    assert all(torch.equal(v, first.state_dict()[k]) for k, v in second.state_dict().items())


@pytest.mark.parametrize("ignore_init_mismatch", [False, True])
@pytest.mark.parametrize(
    ("dense_conf", "drop", "message"),
    [
        ({"linear_units": 64}, (), "cannot make"),
        ({"num_blocks": 1, "attention_every": 1}, (), "has no .*blocks.1.feed_forward.experts"),
        ({}, ("encoder.backbone.blocks.0.feed_forward.experts.w2",), "has no .*experts.w2"),
        ({"moe_conf": {"num_experts": 2}}, (), "one to one"),
    ],
)
def test_an_expert_left_random_is_an_error_in_every_mode(
    dense_conf, drop, message, ignore_init_mismatch, tmp_path
):
    path = saved(static(**dense_conf), tmp_path / "dense.pth", drop)
    with pytest.raises(ValueError, match=message):
        load_init_param(path, build(encoder_conf=STRAIGHT), ignore_init_mismatch)


def experts_of(model):
    return {k: v for k, v in model.state_dict().items() if "backbone" in k and ".experts." in k}


@pytest.mark.parametrize("conf", [{"expert_init_noise": 0.1}, {"expert_init_redraw": 0.5}])
def test_copies_can_be_made_to_differ(conf, tmp_path):
    dense = static()
    path = saved(dense, tmp_path / "dense.pth")
    source = dense.state_dict()
    models = [build(encoder_conf=STRAIGHT, model_conf=conf) for _ in range(2)]
    for model in models:
        load_init_param(path, model, False)
    state, again = (model.state_dict() for model in models)
    varied = experts_of(models[0])
    for name, value in state.items():
        if "router" not in name:
            kept = "b2" in name and "expert_init_redraw" in conf
            same = torch.equal(value, source[name].expand_as(value))
            assert same == (name not in varied or kept), name
            assert torch.equal(value, again[name])
    seeded = build(encoder_conf=STRAIGHT, model_conf={**conf, "expert_init_seed": 1})
    load_init_param(path, seeded, False)
    name = "encoder.backbone.blocks.1.feed_forward.experts.w1"
    assert not torch.equal(seeded.state_dict()[name], state[name])
    first = name.replace("blocks.1", "blocks.0")
    changes = [state[n] - source[n] for n in (first, name)]
    assert not torch.equal(changes[0], changes[1]), "each layer has numbers of its own"
    distances = [(log_probs(m)[0] - log_probs(dense)[0]).abs().max() for m in models]
    assert distances[0] == distances[1] > 0


def test_experts_that_are_loaded_one_to_one_do_not_vary(tmp_path):
    first = build(encoder_conf=STRAIGHT)
    second = build(encoder_conf=STRAIGHT, model_conf={"expert_init_noise": 0.1})
    load_init_param(saved(first, tmp_path / "moe.pth"), second, False)
    assert all(torch.equal(v, first.state_dict()[k]) for k, v in second.state_dict().items())


def test_half_a_layer_cannot_vary(tmp_path):
    path = saved(static(), tmp_path / "dense.pth")
    moe = build(encoder_conf=STRAIGHT, model_conf={"expert_init_redraw": 0.1})
    left_out = "encoder.backbone.blocks.0.feed_forward.experts.w2"
    with pytest.raises(ValueError, match=f"{left_out} is excluded"):
        load_init_param(f"{path}:::{left_out}", moe, False)


def test_the_count_of_steps_starts_anew_without_a_word(tmp_path, caplog):
    counting = {"encoder_conf": STRAIGHT, "model_conf": {"beta_schedule": [[0, 1.0], [9, 0.0]]}}
    first, second = build(**counting), build(**counting)
    first(**batch())
    for drop in ((), ("steps",)):
        load_init_param(saved(first, tmp_path / "moe.pth", drop), second, False)
        assert second.steps.count == second.steps.value.item() == 0
    assert first.steps.count == 1
    load_init_param(saved(first, tmp_path / "moe.pth"), build(encoder_conf=STRAIGHT), False)
    assert "steps.value" not in caplog.text


def test_other_mismatches_are_errors_or_named_warnings(tmp_path, caplog):
    dense = static()
    dense.ctc.ctc_lo = torch.nn.Linear(32, 99)
    path = saved(dense, tmp_path / "dense.pth")
    moe = build(encoder_conf=STRAIGHT)
    with pytest.raises(ValueError, match=r"ctc\.ctc_lo\.bias: \(99,\) in the file"):
        load_init_param(path, moe, False)
    load_init_param(path, moe, True)
    assert (
        "not loaded: ctc.ctc_lo.weight: (99, 32) in the file, (13, 32) in the model" in caplog.text
    )
    excluded = f"{path}:::ctc.ctc_lo"
    load_init_param(excluded, moe, False)


def test_embedding_network_alone(tmp_path):
    dense = static()
    moe = build(encoder_conf=STRAIGHT)
    with torch.no_grad():
        for p in dense.parameters():
            p.add_(1.0)
    before = moe.ctc.ctc_lo.weight.clone()
    path = saved(dense, tmp_path / "dense.pth")
    load_init_param(f"{path}:encoder.embedding:encoder.embedding", moe, False)
    embedding = dense.encoder.embedding.state_dict()
    assert all(torch.equal(v, embedding[k]) for k, v in moe.encoder.embedding.state_dict().items())
    assert torch.equal(moe.ctc.ctc_lo.weight, before)


@pytest.mark.parametrize("encoder", ["speechmoe", "speechmoe_conformer", "conformer"])
def test_every_tensor_that_lacks_is_an_error_or_a_named_warning(encoder, tmp_path, caplog):
    source = build(encoder)
    names = [name for name in source.state_dict() if "router" not in name]
    for name in names[:: max(1, len(names) // 25)]:
        path = saved(source, tmp_path / "lacks.pth", (name,))
        target = build(encoder)
        with pytest.raises(ValueError, match=f"init_param: .*{name}"):
            load_init_param(path, target, False)
        load_init_param(f"{path}:::{name}", target, False)
        if ".experts." not in name:
            caplog.clear()
            load_init_param(path, target, True)
            assert name in caplog.text


def test_a_part_that_the_model_lacks_is_named(tmp_path):
    path = saved(static(), tmp_path / "dense.pth")
    with pytest.raises(ValueError, match=r"the model has no encoder\.wings"):
        load_init_param(f"{path}:encoder:encoder.wings", static(), False)


def test_models_without_experts_load_as_in_espnet(tmp_path):
    source = build("conformer")
    target = build("conformer")
    with torch.no_grad():
        for p in source.parameters():
            p.add_(0.5)
    load_init_param(saved(source, tmp_path / "dense.pth"), target, False)
    assert all(torch.equal(v, source.state_dict()[k]) for k, v in target.state_dict().items())


def test_spec_has_espnets_grammar():
    assert InitParam.parse("a.pth") == InitParam("a.pth")
    assert InitParam.parse("a.pth:x:y:b,c") == InitParam("a.pth", "x", "y", ("b", "c"))
    with pytest.raises(ValueError, match="5 parts"):
        InitParam.parse("a:b:c:d:e")
