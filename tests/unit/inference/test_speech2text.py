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


def test_a_wav_of_another_rate_or_none_is_refused(tmp_path, wav):
    exp = experiment(tmp_path / "exp")
    with pytest.raises(FileNotFoundError, match=r"nope\.wav: no such file"):
        Speech2Text.from_experiment(exp)(tmp_path / "nope.wav")
    soundfile.write(wav, np.zeros(8000), 8000)
    with pytest.raises(ValueError, match="sample rate is 8000 Hz, 16000 is expected"):
        Speech2Text.from_experiment(exp)(wav)


def test_a_checkpoint_that_lacks_tensors_is_refused(tmp_path):
    exp = experiment(tmp_path / "exp")
    state = torch.load(exp / "valid.loss.ave.pth")
    del state[sorted(state)[0]]
    torch.save(state, exp / "valid.loss.ave.pth")
    with pytest.raises(ValueError, match=r"lacks 1 tensors .*different trainings"):
        Speech2Text.from_experiment(exp)


def test_too_short_a_recording_has_an_empty_text_in_a_graph(graph_dir, tmp_path):
    exp = experiment(tmp_path / "exp", "speechmoe_conformer")
    speech2text = Speech2Text.from_experiment(exp, graph_dir=graph_dir)
    ((text, tokens, _, _),) = speech2text(np.zeros(500, dtype=np.float32))
    assert (text, tokens) == ("", [])
