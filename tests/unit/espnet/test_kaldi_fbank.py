"""Frontend kaldi_fbank: a model gives the same for a waveform as for its extracted features."""

import numpy as np
import pytest
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError
from models import batch, build, training_args

from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.features import compute_features
from speechmoe_espnet.espnet.kaldi_fbank import KaldiFbank
from speechmoe_espnet.espnet.length_check import check_lengths
from speechmoe_espnet.espnet.task import SpeechMoEASRTask

WAVEFORM = {"input_size": None, "frontend": "kaldi_fbank", "frontend_conf": {"fs": "16k"}}


def waveforms(lengths=(16000, 9123, 5000)):
    rng = np.random.default_rng(0)
    return [
        np.clip(rng.standard_normal(n) * 0.1 * rng.uniform(0, 1, n), -1, 0.999).astype("f4")
        for n in lengths
    ]


@pytest.mark.parametrize("encoder", ["speechmoe", "speechmoe_conformer"])
@pytest.mark.parametrize("deltas", [False, True])
def test_a_model_hears_what_it_reads(encoder, deltas):
    conf = {"fs": 16000, "deltas": deltas, "dither": 1.0}
    of_features = build(encoder, input_size=120 if deltas else 40).eval()
    of_waveforms = build(encoder, **{**WAVEFORM, "frontend_conf": conf}).eval()
    of_waveforms.load_state_dict(of_features.state_dict(), strict=True)
    parts = waveforms()
    speech = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(x) for x in parts], True)
    lengths = torch.tensor([len(x) for x in parts])
    heard, heard_lengths = of_waveforms.encode(speech, lengths)
    for row, count, samples in zip(heard, heard_lengths.tolist(), parts, strict=True):
        features = torch.from_numpy(compute_features(samples, 16000, FbankConfig(deltas=deltas)))
        read, read_length = of_features.encode(features[None], torch.tensor([len(features)]))
        assert count == int(read_length[0])
        torch.testing.assert_close(row[:count], read[0], atol=1e-3, rtol=1e-3)


def test_training_has_gradients_and_dither():
    model = build(**{**WAVEFORM, "frontend_conf": {"dither": 5.0}})
    data = batch()
    speech = (0.1 * torch.randn(3, 11200)).requires_grad_()
    data |= {"speech": speech, "speech_lengths": data["speech_lengths"] * 160}
    loss, stats, _ = model(**data)
    loss.backward()
    assert stats["loss_embedding"] > 0
    assert torch.isfinite(speech.grad).all()
    assert speech.grad.abs().sum() > 0
    args = speech.detach(), data["speech_lengths"]
    assert not torch.equal(model.frontend(*args)[0], model.frontend(*args)[0])
    model.eval()
    assert torch.equal(model.frontend(*args)[0], model.frontend(*args)[0])


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"n_mels": 80}, "frontend_conf: unknown options n_mels; allowed are channel, deltas"),
        ({"channel": "mean"}, "channel is not for a frontend"),
        ({"fs": "fast"}, "fs must be a rate in Hz, got 'fast'"),
        ({"fs": 8000, "sample_frequency": 16000}, "fs 8000 and sample_frequency 16000 are the"),
        ({"resample": True}, "resample is not for a frontend"),
        ({"num_mel_bins": "40"}, "frontend_conf: num_mel_bins must be int, got '40'"),
    ],
)
def test_options_are_checked(conf, message):
    with pytest.raises(ValueError, match=message):
        KaldiFbank(**conf)


def test_options_come_back_from_a_configuration():
    config = FbankConfig(num_mel_bins=23, sample_frequency=8000, dither=0.5, deltas=True)
    assert KaldiFbank(**config.frontend_conf()).config == config
    assert KaldiFbank(fs="16k").output_size() == 40


def test_wrong_shapes_are_refused():
    frontend = KaldiFbank()
    with pytest.raises(ValueError, match=r"of one channel, got shape \(2, 8000, 2\)"):
        frontend(torch.zeros(2, 8000, 2), torch.tensor([8000, 8000]))
    with pytest.raises(TooShortUttError, match="399 samples; one frame has 400"):
        frontend(torch.zeros(1, 399), torch.tensor([399]))


def test_lengths_are_checked_before_training(tmp_path):
    (tmp_path / "speech_shape").write_text("long 16000\nshort 4000\ntiny 100\n")
    (tmp_path / "text_shape").write_text("long 10,13\nshort 9,13\ntiny 1,13\n")
    args = training_args(
        **WAVEFORM,
        train_shape_file=[f"{tmp_path}/speech_shape", f"{tmp_path}/text_shape"],
        train_data_path_and_name_and_type=[("w", "speech", "sound"), ("t", "text", "text")],
    )
    # 4000 samples are 23 frames, a third of which is left.
    with pytest.raises(ValueError, match=r"2 of 3 .* short \(8 frames .* tiny \(0 frames"):
        check_lengths(args)


def test_print_config_shows_the_options(monkeypatch):
    monkeypatch.setattr(
        "sys.argv", ["x", "--frontend", "kaldi_fbank", "--frontend_conf", "num_mel_bins=80"]
    )
    conf = SpeechMoEASRTask.get_default_config()["frontend_conf"]
    assert conf == FbankConfig(num_mel_bins=80).frontend_conf()
