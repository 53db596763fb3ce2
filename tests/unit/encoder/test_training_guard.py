"""A SpeechMoE encoder is not trained without its losses, by whatever calls it."""

import pytest
import torch
from espnet2.asr.ctc import CTC
from espnet2.asr.espnet_model import ESPnetASRModel
from models import TOKENS, batch

from speechmoe_espnet.encoder.speechmoe_conformer import SpeechMoEConformerEncoder
from speechmoe_espnet.encoder.speechmoe_encoder import SpeechMoEEncoder

SMALL = {"output_size": 32, "linear_units": 48, "num_blocks": 1, "attention_heads": 2}
EVERY = pytest.mark.parametrize("class_", [SpeechMoEEncoder, SpeechMoEConformerEncoder])
REFUSED = "is trained without its losses.*model: speechmoe.*forward_with_routing"
DENSE = {"moe_conf": {"num_experts": 1}}
SPEECH, LENGTHS = batch()["speech"], batch()["speech_lengths"]


def espnets_model(encoder):
    """ESPnet's own ASR model, as a task that knows nothing of the plug-in builds it."""
    return ESPnetASRModel(
        vocab_size=len(TOKENS),
        token_list=TOKENS,
        frontend=None,
        specaug=None,
        normalize=None,
        preencoder=None,
        encoder=encoder,
        postencoder=None,
        decoder=None,
        ctc=CTC(odim=len(TOKENS), encoder_output_size=32),
        joint_network=None,
        ctc_weight=1.0,
    )


@EVERY
@pytest.mark.parametrize("conf", [{}, DENSE, {"use_embedding": False}])
def test_training_by_a_model_without_the_losses_is_refused(class_, conf):
    encoder = class_(40, **SMALL, **conf)
    model = espnets_model(encoder)
    with pytest.raises(ValueError, match=REFUSED):
        model(**batch())
    with pytest.raises(ValueError, match=REFUSED):
        encoder(SPEECH, LENGTHS)
    with pytest.raises(ValueError, match=REFUSED):
        torch.nn.Sequential(encoder)[0](SPEECH, LENGTHS)


@EVERY
def test_one_parameter_that_learns_is_enough(class_):
    encoder = class_(40, **SMALL).requires_grad_(False)
    encoder(SPEECH, LENGTHS)
    encoder.backbone.blocks[0].feed_forward.router.weight.requires_grad_()
    with pytest.raises(ValueError, match=REFUSED):
        encoder(SPEECH, LENGTHS)


@EVERY
def test_whatever_is_no_training_is_allowed(class_):
    model = espnets_model(class_(40, **SMALL))
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            model.train()(**batch())
    model.eval()
    loss, _, _ = model(**batch())
    # Gradients of an analysis: what does the output depend on?
    loss.backward()
    features = SPEECH.clone().requires_grad_()
    model.encoder(features, LENGTHS)[0].sum().backward()
    assert features.grad.any()


@EVERY
def test_an_encoder_without_losses_is_trained_by_any_model(class_):
    encoder = class_(40, **SMALL, **DENSE, use_embedding=False)
    assert not encoder.has_losses
    espnets_model(encoder)(**batch())[0].backward()
    assert all(p.grad is not None for p in encoder.parameters())


@EVERY
def test_recorded_outputs_have_all_that_the_losses_need_and_their_gradients(class_):
    encoder = class_(40, **SMALL)
    with encoder.recording() as outputs:
        out, _, _ = encoder(SPEECH, LENGTHS)
        with encoder.recording() as inner:
            encoder(SPEECH, LENGTHS)
    assert (len(outputs), len(inner)) == (2, 1)
    assert outputs[0].encoder_out is out
    (outputs[0].embedding_out.sum() + outputs[0].routing[0].probs[..., 0].sum()).backward()
    assert encoder.backbone.blocks[0].feed_forward.router.weight.grad.any()
    assert encoder.embedding.input_layer is not None
    with pytest.raises(ValueError, match=REFUSED):
        encoder(SPEECH, LENGTHS)
    with pytest.raises(RuntimeError), encoder.recording():
        raise RuntimeError
    with pytest.raises(ValueError, match=REFUSED):
        encoder(SPEECH, LENGTHS)
