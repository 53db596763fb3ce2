"""ESPnet's search through our interface gives what ESPnet's own inference gives."""

import pytest
import torch
import yaml
from models import TOKENS, batch, build, hybrid, training_args

from speechmoe_espnet import Speech2Text
from speechmoe_espnet.decode.search.joint import JointSearch

KINDS = {
    "hybrid": (hybrid(), {"ctc_weight": 0.3, "penalty": 0.4}),
    "hybrid, CTC only": (hybrid(), {"ctc_weight": 1.0}),
    "hybrid, attention only": (hybrid(), {"ctc_weight": 0.0, "maxlenratio": 0.5}),
    "CTC": ({}, {"ctc_weight": 1.0, "minlenratio": 0.1}),
}


@pytest.mark.parametrize(("overrides", "options"), KINDS.values(), ids=KINDS.keys())
def test_equals_speech2text(overrides, options, tmp_path):
    model = build("speechmoe_conformer", **overrides)
    torch.nn.init.normal_(model.ctc.ctc_lo.weight, std=2.0)
    torch.save(model.state_dict(), tmp_path / "valid.loss.ave.pth")
    args = vars(training_args("speechmoe_conformer", token_type="char", **overrides))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(args, allow_unicode=True))
    speech2text = Speech2Text.from_experiment(tmp_path, beam_size=4, nbest=3, **options)
    search = JointSearch(model, beam_size=4, nbest=3, **options)
    data = batch()
    texts = []
    for speech, length in zip(data["speech"], data["speech_lengths"], strict=True):
        with torch.inference_mode():
            encoder_out, _ = model.encode(speech[None, :length], length[None])
        expected = speech2text(speech[:length])
        found = search(encoder_out[0])
        assert [list(hyp.units) for hyp in found] == [ids for _, _, ids, _ in expected]
        scores = [float(hyp.score) for *_, hyp in expected]
        assert [hyp.score for hyp in found] == pytest.approx(scores, abs=1e-3)
        for hyp in found:
            assert hyp.score == pytest.approx(hyp.acoustic_score + hyp.lm_score)
        texts += [hyp.units for hyp in found]
    assert len(set(texts)) >= 3
    if "penalty" in options:
        # ESPnet counts the end of the sentence as a unit.
        assert found[0].lm_score == pytest.approx(0.4 * (len(found[0].units) + 1), abs=1e-5)


def test_default_weights_depend_on_the_model():
    assert JointSearch(build()).search.weights["ctc"] == 1.0
    assert JointSearch(build(**hybrid())).search.weights["ctc"] == 0.5
    attention = hybrid(model_conf={"ctc_weight": 0.0})
    assert JointSearch(build(**attention)).search.weights["ctc"] == 0.0


def test_no_frames_is_an_empty_hypothesis():
    assert JointSearch(build())(torch.zeros(0, 32))[0].units == ()


@pytest.mark.parametrize(
    ("overrides", "options", "message"),
    [
        ({}, {"ctc_weight": 0.3}, "ctc_weight: 0.3 needs an attention decoder"),
        (hybrid(model_conf={"ctc_weight": 0.0}), {"ctc_weight": 0.3}, "0.3 needs a CTC head"),
        ({}, {"ctc_weight": 1.5}, r"ctc_weight must be in \[0, 1\], got 1.5"),
        ({}, {"beam_size": 0}, "beam_size must be at least 1, got 0"),
        ({}, {"nbest": 0}, "nbest must be at least 1, got 0"),
    ],
)
def test_options_that_do_not_fit_the_model_are_refused(overrides, options, message):
    with pytest.raises(ValueError, match=message):
        JointSearch(build(**overrides), **options)


def test_batches_are_refused():
    with pytest.raises(ValueError, match=r"must be .frames, size., got .2, 5, 32."):
        JointSearch(build())(torch.zeros(2, 5, 32))


def test_unit_ids_are_those_of_the_token_list():
    model = build()
    torch.nn.init.normal_(model.ctc.ctc_lo.weight, std=3.0)
    with torch.no_grad():
        # Enough blanks to stay below the length limit, at which ESPnet appends <sos/eos> again.
        model.ctc.ctc_lo.bias[model.blank_id] = 15.0
    data = batch((70,))
    with torch.inference_mode():
        encoder_out, _ = model.encode(data["speech"], data["speech_lengths"])
    hyps = JointSearch(model, beam_size=3, nbest=3)(encoder_out[0])
    assert 1 <= len(hyps) <= 3
    assert all(0 < len(hyp.units) < len(encoder_out[0]) for hyp in hyps)
    assert all(0 < unit < len(TOKENS) - 1 for hyp in hyps for unit in hyp.units)
