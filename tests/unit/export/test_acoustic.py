"""The exported part of models with intermediate CTC, and input that is not exported."""

import pytest
import torch
from models import batch, build

from speechmoe_espnet.export.acoustic import AcousticModel, require_exportable


@pytest.mark.parametrize("encoder", ["speechmoe", "conformer"])
def test_intermediate_ctc_is_left_out(encoder):
    conf = {"num_blocks": 2, "interctc_layer_idx": [1]}
    model = build(encoder, encoder_conf=conf, model_conf={"interctc_weight": 0.3}).eval()
    speech, lengths = batch()["speech"], batch()["speech_lengths"]
    log_probs, out_lengths = AcousticModel(model)(speech, lengths)
    (out, _), expected = model.encode(speech, lengths)
    torch.testing.assert_close(log_probs, model.ctc.log_softmax(out), atol=1e-5, rtol=1e-4)
    assert out_lengths.tolist() == expected.tolist()


@pytest.mark.parametrize("encoder", ["speechmoe", "speechmoe_conformer"])
def test_discrete_units_and_conditioning_are_not_exported(encoder):
    with pytest.raises(ValueError, match="input_layer: embed takes units, not features"):
        require_exportable(build(encoder, encoder_conf={"input_layer": "embed"}))
    conf = {"interctc_layer_idx": [1], "interctc_use_conditioning": True}
    with pytest.raises(ValueError, match="self-conditioned CTC is not exported"):
        require_exportable(build(encoder, encoder_conf=conf))
