"""SpeechMoE encoders in ESPnet's tasks of understanding, translation and OWSM."""

import pytest
import torch
from espnet2.tasks.s2t import S2TTask
from espnet2.tasks.slu import SLUTask
from espnet2.tasks.st import STTask
from models import DECODER, ENCODER, TOKENS, batch

from speechmoe_espnet.espnet.speech_tasks import (
    SpeechMoES2TTask,
    SpeechMoESLUTask,
    SpeechMoESTTask,
)

SYMBOLS = [*TOKENS, "<sos>", "<eos>", "<sop>", "<na>"]
TASKS = {
    SpeechMoESLUTask: (SLUTask, {"model_conf": {"ctc_weight": 0.3}}),
    SpeechMoES2TTask: (S2TTask, {"token_list": SYMBOLS, "model_conf": {"ctc_weight": 0.3}}),
    SpeechMoESTTask: (
        STTask,
        {
            "src_token_list": TOKENS[:11],
            "model_conf": {"asr_weight": 0.3, "mtlalpha": 1.0, "report_bleu": False},
        },
    ),
}
SUPERB = {"superb_setup": True, "num_class": 3, "ssl_input_size": 32}
EVERY = pytest.mark.parametrize("task", TASKS)
ROUTING = {"loss_sparsity", "loss_importance", "router_confidence"}


def arguments(task, encoder="speechmoe", encoder_conf=(), model_conf=()):
    args = task.get_parser().parse_args(["--output_dir", "unused"])
    args.token_list, args.input_size, args.normalize = TOKENS, 40, None
    args.encoder, args.encoder_conf = encoder, {**ENCODER[encoder], **dict(encoder_conf)}
    args.decoder, args.decoder_conf = "transformer", dict(DECODER)
    for name, value in TASKS[task][1].items():
        setattr(args, name, dict(value) if isinstance(value, dict) else value)
    args.model_conf |= dict(model_conf)
    return args


def build(task, *args, **kwargs):
    torch.manual_seed(0)
    return task.build_model(arguments(task, *args, **kwargs))


def data(task):
    found = batch()
    text = found["text"].clamp(min=0).masked_fill(found["text"] < 0, -1)
    extra = {
        SpeechMoESLUTask: (),
        SpeechMoES2TTask: ("text_prev", "text_ctc"),
        SpeechMoESTTask: ("src_text",),
    }[task]
    for name in extra:
        found[name] = text.clamp(max=10).clone()
        found[f"{name}_lengths"] = found["text_lengths"].clone()
    return found


@EVERY
@pytest.mark.parametrize("encoder", ["speechmoe", "speechmoe_conformer"])
def test_training_has_all_losses_and_reaches_every_parameter(task, encoder):
    model = build(task, encoder)
    loss, stats, weight = model(**data(task))
    loss.sum().backward()
    assert set(stats) >= {*ROUTING, "loss_embedding"}
    assert weight.item() == 3
    missing = [n for n, p in model.named_parameters() if p.grad is None and n.startswith("e")]
    assert missing == []
    args = arguments(task, encoder)
    (optimizer,) = task.build_optimizers(args, model)
    optimizer.step()
    model.eval()(**data(task))


@EVERY
def test_the_losses_are_added_to_espnets(task):
    off = {"alpha": 0.0, "beta": 0.0, "gamma": 0.0}
    base = build(task, model_conf=off).eval()(**data(task))[0]
    model = build(task, model_conf={"alpha": 0.2, "beta": 0.3, "gamma": 0.04}).eval()
    loss, stats, _ = model(**data(task))
    frames = model.encoder.output_lengths(batch()["speech_lengths"]).float().mean()
    routing = frames * (0.2 * stats["loss_sparsity"] + 0.3 * stats["loss_importance"])
    torch.testing.assert_close(loss, base + routing + 0.04 * stats["loss_embedding"])
    torch.testing.assert_close(stats["loss"], loss.detach())


@EVERY
def test_with_an_encoder_of_espnet_it_is_espnets_model(task):
    theirs, _ = TASKS[task]
    results = []
    for kind, name in ((task, "speechmoe"), (theirs, "espnet")):
        args = arguments(task, "conformer")
        if hasattr(args, "model"):
            args.model = name
        torch.manual_seed(0)
        model = kind.build_model(args).eval()
        results.append((model.state_dict(), model(**data(task))[0]))
    (state, loss), (state2, loss2) = results
    assert list(state) == list(state2)
    assert torch.equal(loss, loss2)


@EVERY
def test_espnets_own_task_is_refused_in_training(task):
    theirs, _ = TASKS[task]
    args = arguments(task)
    if hasattr(args, "model"):
        args.model = "espnet"
    model = theirs.build_model(args)
    with pytest.raises(ValueError, match="is trained without its losses"):
        model(**data(task))
    model.eval()(**data(task))
    if hasattr(args, "model"):
        with pytest.raises(ValueError, match="use model: speechmoe"):
            task.build_model(args)


@EVERY
def test_router_rates_hold_and_are_not_ignored(task):
    theirs, _ = TASKS[task]
    args = arguments(task, model_conf={"router_lr_scale": 0.5})
    model = task.build_model(args)
    theirs.build_optimizers(args, model)
    with pytest.raises(ValueError, match=r"router_lr_scale 0\.5 would be ignored"):
        model(**data(task))
    (optimizer,) = task.build_optimizers(args, model)
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 0.5]
    model(**data(task))


@pytest.mark.parametrize(
    ("task", "encoder_conf", "model_conf", "message"),
    [
        (SpeechMoESLUTask, {}, SUPERB, "superb_setup has classes"),
        (SpeechMoESTTask, {"interctc_layer_idx": [1]}, {}, "has no intermediate CTC"),
        (SpeechMoES2TTask, {"interctc_layer_idx": [1]}, {}, "has no effect with interctc_weight 0"),
    ],
)  # fmt: skip
def test_what_would_lose_a_loss_is_refused(task, encoder_conf, model_conf, message):
    with pytest.raises(ValueError, match=message):
        build(task, encoder_conf=encoder_conf, model_conf=model_conf)


def test_translation_needs_the_transcript():
    found = data(SpeechMoESTTask)
    del found["src_text"], found["src_text_lengths"]
    with pytest.raises(ValueError, match="loss needs src_text; add it to the data"):
        build(SpeechMoESTTask, model_conf={"asr_weight": 0.0})(**found)
    build(SpeechMoESTTask, encoder_conf={"use_embedding": False}, model_conf={"asr_weight": 0.0})(
        **found
    )


@pytest.mark.parametrize("task", [SpeechMoESLUTask, SpeechMoES2TTask])
def test_intermediate_ctc_of_espnets_models_works(task):
    conf = {"interctc_layer_idx": [1], "interctc_use_conditioning": True}
    model = build(task, encoder_conf=conf, model_conf={"interctc_weight": 0.5})
    loss, stats, _ = model(**data(task))
    loss.sum().backward()
    assert stats["loss_interctc_layer1"] > 0
    assert model.encoder.conditioning_layer.weight.grad.any()
