from pathlib import Path

import espnet2.bin.asr_inference
import numpy as np
import pytest
import soundfile
import torch
from models import TOKENS, hybrid
from tiny_graph import random_grammar
from trained import experiment

import speechmoe_espnet
from speechmoe_espnet import Speech2Text
from speechmoe_espnet.bin import asr_inference
from speechmoe_espnet.data.lexicon import Lexicon
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.decode.graph.build import build_graph
from speechmoe_espnet.decode.graph.directory import write_graph
from speechmoe_espnet.lm.arpa import write_arpa

KINDS = {
    "features, ctc": {},
    "features, hybrid": hybrid(),
    "features, ctc, bfloat16": {"autocast": True},
    "features, ctc, SpecAugment": {
        "specaug": "specaug",
        "specaug_conf": {"apply_time_warp": False, "time_mask_width_range": [0, 5]},
    },
    "waveform, ctc": {
        "input_size": None,
        "frontend": "default",
        "frontend_conf": {"fs": "16k", "hop_length": 160},
    },
}


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "utterance.wav"
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, 16000)
    soundfile.write(path, samples, 16000)
    return path


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("encoder", ["speechmoe", "speechmoe_conformer"])
def test_a_trained_model_decodes_a_wav_in_three_lines(kind, encoder, tmp_path, wav):
    exp = experiment(tmp_path / "exp", encoder, **kind)
    speech2text = Speech2Text.from_experiment(exp, beam_size=2, maxlenratio=0.2)
    text, tokens, ids, _ = speech2text(wav)[0]
    assert text == "".join(tokens)
    assert [TOKENS[i] for i in ids] == tokens
    again = speech2text(soundfile.read(wav, dtype="float32")[0])[0]
    assert again[1] == tokens


@pytest.fixture(scope="module")
def graph_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lang")
    words = ["一二", "三", "四五六", "七", "八", "九十"]
    lexicon = Lexicon({word: (tuple(word),) for word in words})
    write_arpa(folder / "lm.arpa", random_grammar(words, 2, np.random.default_rng(0)))
    built = build_graph(lexicon.entries, folder / "lm.arpa", TOKENS)
    write_graph(folder, built, lexicon, TokenList(tuple(TOKENS)), folder / "lm.arpa")
    return folder


@pytest.mark.parametrize("kind", ["features, ctc", "waveform, ctc"])
def test_a_graph_gives_words(kind, graph_dir, tmp_path, wav):
    exp = experiment(tmp_path / "exp", **KINDS[kind])
    tuning = tmp_path / "tuning.json"
    tuning.write_text('{"lm_weight": 0.01, "insertion_bonus": 2}')
    speech2text = Speech2Text.from_experiment(exp, graph_dir=graph_dir, tuning=tuning)
    ((text, tokens, ids, hypothesis),) = speech2text(wav)
    assert text == "".join(tokens) == "".join(word.text for word in hypothesis.words)
    assert text
    assert [TOKENS[i] for i in ids] == tokens
    config = tmp_path / "decode.yaml"
    config.write_text("method: wfst\nnbest: 3\ninsertion_bonus: 2\n")
    several = Speech2Text.from_experiment(exp, graph_dir=graph_dir, decode_config=config)(wav)
    scores = [hypothesis.score for *_, hypothesis in several]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    with pytest.raises(ValueError, match="need graph_dir="):
        Speech2Text.from_experiment(exp, tuning=tuning)


def test_an_experiment_of_a_recipe_loads_from_any_folder(tmp_path, wav, monkeypatch):
    recipe = tmp_path / "recipe"
    (recipe / "exp/stats").mkdir(parents=True)
    stats = {"count": np.array(10), "sum": np.zeros(40), "sum_square": np.full(40, 10.0)}
    np.savez(recipe / "exp/stats/feats_stats.npz", **stats)
    monkeypatch.chdir(recipe)
    conf = {
        "normalize": "global_mvn",
        "normalize_conf": {"stats_file": "exp/stats/feats_stats.npz"},
    }
    experiment(recipe / "exp/trained", **conf)
    here = Speech2Text.from_experiment("exp/trained", beam_size=2)(wav)[0]
    monkeypatch.chdir(tmp_path)
    there = Speech2Text.from_experiment("recipe/exp/trained", beam_size=2)(wav)[0]
    assert there[1] == here[1]


def test_decode_configuration_for_espnet_is_read_by_espnet():
    conf = Path(__file__).parents[3] / "conf/decode_espnet.yaml"
    args = asr_inference.get_parser().parse_args(
        [
            "--config",
            str(conf),
            "--output_dir",
            "x",
            "--data_path_and_name_and_type",
            "a,speech,npy",
        ]
    )
    assert (args.ctc_weight, args.beam_size, args.batch_size) == (1.0, 10, 1)


def test_espnets_own_class_keeps_working(tmp_path, wav):
    exp = experiment(tmp_path / "exp", "conformer", model="espnet", **KINDS["waveform, ctc"])
    assert speechmoe_espnet.__version__
    speech2text = espnet2.bin.asr_inference.Speech2Text(
        exp / "config.yaml", exp / "valid.loss.ave.pth", ctc_weight=1.0, beam_size=2
    )
    assert len(speech2text(soundfile.read(wav, dtype="float32")[0])) == 1


def test_espnets_command_decodes_our_model(tmp_path):
    exp = experiment(tmp_path / "exp")
    np.save(tmp_path / "feats.npy", np.random.default_rng(0).standard_normal((60, 40)).astype("f4"))
    (tmp_path / "feats.scp").write_text(f"utt1 {tmp_path}/feats.npy\n")
    status = asr_inference.main(
        [
            *("--asr_train_config", f"{exp}/config.yaml"),
            *("--asr_model_file", f"{exp}/valid.loss.ave.pth"),
            *("--data_path_and_name_and_type", f"{tmp_path}/feats.scp,speech,npy"),
            *("--output_dir", f"{tmp_path}/decode", "--ctc_weight", "1.0", "--beam_size", "2"),
            *("--ngpu", "0", "--num_workers", "0"),
        ]
    )
    assert status == 0
    text = (tmp_path / "decode/1best_recog/text").read_text()
    assert text.startswith("utt1")


def test_features_of_another_size_are_refused(tmp_path):
    exp = experiment(tmp_path / "exp")
    (exp / "fbank.yaml").write_text("num_mel_bins: 80\n")
    with pytest.raises(ValueError, match="takes 40 features per frame, the features have 80"):
        Speech2Text.from_experiment(exp)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.yaml: no such file; train the model"):
        Speech2Text.from_experiment(tmp_path)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, graph_dir):
    """One model with every search that Speech2Text has, and one that takes waveforms."""
    folder = tmp_path_factory.mktemp("models")
    ctc, joint, wave = (
        experiment(folder / name, **KINDS[kind])
        for name, kind in (
            ("ctc", "features, ctc"),
            ("joint", "features, hybrid"),
            ("wave", "waveform, ctc"),
        )
    )
    return {
        "ctc": Speech2Text.from_experiment(ctc, beam_size=2),
        "joint": Speech2Text.from_experiment(joint, beam_size=2, maxlenratio=0.2),
        "wave": Speech2Text.from_experiment(wave, beam_size=2),
        "wfst": Speech2Text.from_experiment(ctc, graph_dir=graph_dir),
    }


SOUND = np.random.default_rng(0).uniform(-0.3, 0.3, 16000)
INT16 = (SOUND * 32768).astype(np.int16)


@pytest.mark.parametrize("kind", ["ctc", "joint", "wave", "wfst"])
def test_every_form_of_the_same_samples_has_the_same_text(kind, loaded, tmp_path):
    speech2text = loaded[kind]
    soundfile.write(tmp_path / "a.wav", np.stack([INT16, INT16], axis=1), 16000)
    expected = speech2text((INT16 / 32768).astype(np.float32))[0][1]
    assert expected
    for same in (
        INT16,
        INT16.astype(np.int32) << 16,
        INT16.astype(np.float32),
        INT16[None],
        INT16[:, None],
        np.stack([INT16, INT16], axis=1),
        torch.from_numpy(INT16),
        INT16.tolist(),
        tmp_path / "a.wav",
    ):
        assert speech2text(same)[0][1] == expected
    assert [found[0][1] for found in speech2text([INT16, str(tmp_path / "a.wav")])] == [
        expected
    ] * 2
    other = speech2text(np.repeat(SOUND, 3), rate=48000)
    assert isinstance(other[0][0], str)


@pytest.mark.parametrize("kind", ["ctc", "joint", "wave", "wfst"])
def test_too_little_has_an_empty_text(kind, loaded, tmp_path):
    speech2text = loaded[kind]
    soundfile.write(tmp_path / "short.wav", SOUND[:800], 16000)
    for milliseconds in (0, 1, 10, 25, 40, 60, 75, 99):
        ((text, tokens, ids, _),) = speech2text(INT16[: 16 * milliseconds])
        assert (text, tokens, ids) == ("", [], [])
    assert speech2text(tmp_path / "short.wav")[0][0] == ""
    assert speech2text([])[0][0] == ""
    for milliseconds in (100, 130, 200, 400):
        for text, tokens, *_ in speech2text(INT16[: 16 * milliseconds]):
            assert "<sos/eos>" not in text
            assert not {"<sos/eos>", "<blank>"} & set(tokens)
    if kind != "wave":
        assert speech2text(np.ones((5, 40), np.float32))[0][0] == ""


def test_input_without_a_plain_meaning_is_refused(loaded, tmp_path):
    speech2text = loaded["ctc"]
    broken = SOUND.copy()
    broken[7] = np.nan
    for speech, said in (
        (broken, "speech: sample 7 is not finite"),
        (SOUND * np.inf, "not finite"),
        (SOUND * 1e9, "samples go up to 2.9"),
        (np.zeros((40, 277)), r"expected samples .*got shape \(40, 277\)"),
        (np.zeros((2, 3, 4)), "got shape"),
        (np.array(3.0), "got shape"),
        (["a"], "no such file"),
        ([True, False], "got bool"),
        ([[1, 2], [3]], "rows of different lengths"),
        (None, "got object"),
        (SOUND.astype(np.complex64), "got complex64"),
        (np.full((30, 40), np.nan, np.float32), "features are not finite"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=said):
            speech2text(speech)
    for rate in (0, -16000, 16000.5, True):
        with pytest.raises(ValueError, match="rate must be a sample rate in Hz above 0"):
            speech2text(SOUND, rate=rate)
    for rate in (8, 16, 44, 2_000_000):
        with pytest.raises(ValueError, match=f"sample rate of {rate} Hz; expected 1000 to"):
            speech2text(SOUND, rate=rate)
    with pytest.raises(FileNotFoundError, match=r"nope\.wav: no such file"):
        speech2text(tmp_path / "nope.wav")
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"a\.wav: cannot be read as audio"):
        speech2text(tmp_path / "a.wav")


def test_too_short_a_recording_has_an_empty_text_in_a_graph(graph_dir, tmp_path):
    exp = experiment(tmp_path / "exp", "speechmoe_conformer")
    speech2text = Speech2Text.from_experiment(exp, graph_dir=graph_dir)
    ((text, tokens, _, _),) = speech2text(np.zeros(500, dtype=np.float32))
    assert (text, tokens) == ("", [])
