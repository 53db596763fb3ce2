"""--init-model: what is taken from the model, what is compared, what contradicts it."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml
from recipe_words import DEFAULTS, plan

from speechmoe_espnet.recipe.recipe_options import Options

TOKENS = ["<blank>", "<unk>", "一", "二", "<sos/eos>"]
CONF: dict[str, Any] = {
    "token_type": "char",
    "token_list": TOKENS,
    "input_size": 80,
    "normalize": None,
    "normalize_conf": {},
    "encoder": "speechmoe",
    "encoder_conf": {"moe_conf": {"num_experts": 4, "routing_warmup_steps": 500}},
    "model": "speechmoe",
    "model_conf": {"gamma": 1e-05, "alpha_schedule": [[0, 1.0], [500, 0.25]]},
    "decoder": None,
    "ctc_conf": {},
    "optim_conf": {"lr": 0.1},
}


def experiment(folder: Path, **changes: Any) -> str:
    folder.mkdir()
    text = yaml.safe_dump(CONF | changes, allow_unicode=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    (folder / "fbank.yaml").write_text("num_mel_bins: 80\n")
    (folder / "valid.loss.ave.pth").write_bytes(b"")
    return str(folder)


@pytest.fixture
def model(tmp_path: Path) -> str:
    return experiment(tmp_path / "theirs")


def tuned(caller: Path, model: str, **given: object) -> dict[str, Any]:
    return plan(caller, **{"corpus": "folder", "corpus_dir": ".", "init_model": model, **given})


def following(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_features_tokens_statistics_and_shape_are_the_models(tmp_path: Path, model: str) -> None:
    found = tuned(tmp_path, model)
    start = "exp/folder/start_theirs"
    assert found["start"] == start
    assert found["start_model"] == model
    files = ("config.yaml", "valid.loss.ave.pth", "fbank.yaml")
    assert found["start_inputs"] == [f"{model}/{name}" for name in files]
    assert found["fbank_config"] == f"{start}/fbank.yaml"
    assert found["dump"].startswith("dump/folder_fbank_")
    assert found["unit_args"][-3:] == ["--token_list", f"{start}/tokens.txt", "--extend"]
    assert f"{start}/tokens.txt" in found["unit_inputs"]
    assert "_more_fbank" in found["units"]
    assert found["asr_config"].endswith("conf/finetune.yaml")
    assert found["exp"] == "exp/folder/finetune_theirs"
    assert found["normalize_args"] == ["--normalize", "none"]
    words = found["training_args"]
    assert following(words, "--init_param") == f"{start}/valid.loss.ave.pth"
    assert start in found["training_inputs"]
    assert following(found["data_args"], "--input_size") == "80"
    assert following(words, "--encoder") == "speechmoe"
    assert "--decoder" not in words
    assert "--optim_conf" not in words
    # As ESPnet reads them; what belongs to the first steps of a training is over.
    assert ast.literal_eval(following(words, "--encoder_conf")) == {
        "moe_conf": {"num_experts": 4, "routing_warmup_steps": 0}
    }
    assert ast.literal_eval(following(words, "--model_conf")) == {
        "gamma": 1e-05,
        "alpha_schedule": [[0, 0.25]],
    }


def test_syllables_and_pieces(tmp_path: Path) -> None:
    found = tuned(tmp_path, experiment(tmp_path / "one", token_type="word"))
    assert found["token_type"] == "syllable_phone"
    assert "--extend" in found["unit_args"]
    assert found["score_metrics"] == ["ser"]
    (tmp_path / "bpe.model").write_bytes(b"")
    pieces = experiment(tmp_path / "two", token_type="bpe", bpemodel=str(tmp_path / "bpe.model"))
    found = tuned(tmp_path, pieces)
    assert found["token_type"] == "bpe"
    assert "--extend" not in found["unit_args"]
    assert "exp/folder/start_two/bpe.model" in found["unit_inputs"]
    found = tuned(tmp_path, pieces, stage=9)
    assert found["before_args"]


def test_statistics_of_the_model_are_named(tmp_path: Path) -> None:
    import numpy as np

    sums = {"count": np.array(9), "sum": np.ones(80), "sum_square": 2 * np.ones(80)}
    np.savez(tmp_path / "stats.npz", **sums)
    conf = {"stats_file": str(tmp_path / "stats.npz"), "norm_vars": False}
    given = experiment(tmp_path / "one", normalize="global_mvn", normalize_conf=conf)
    words = tuned(tmp_path, given)["normalize_args"]
    assert words[:3] == ["--normalize", "global_mvn", "--normalize_conf"]
    assert ast.literal_eval(words[3]) == {
        "stats_file": "exp/folder/start_one/feats_stats.npz",
        "norm_vars": False,
    }


def test_the_model_as_it_is_is_decoded_alike_and_compared(tmp_path: Path, model: str) -> None:
    (tmp_path / "more.txt").write_text("一\n")
    ngram = "conf/decode_ctc_prefix_beam_ngram.yaml"
    given = {"decode_config": ngram, "lm_text": "more.txt", "tune": "false", "simplify": "true"}
    found = tuned(tmp_path, model, nj=3, **given)
    start, words = "exp/folder/start_theirs", found["before_args"]
    for option, value in {
        "--stage": "3",
        "--stop-stage": "11",
        "--model-dir": start,
        "--token-list": f"{start}/tokens.txt",
        "--fbank-config": f"{start}/fbank.yaml",
        "--token-type": "char",
        "--lm-text": str(tmp_path / "more.txt"),
        "--tune": "false",
        "--nj": "3",
    }.items():
        assert following(words, option) == value
    assert "--simplify" in words
    assert not {"--asr-config", "--init-model"} & set(words)
    assert found["report_systems"] == [
        *(f"--system=before={start}", "--system=finetune_theirs=exp/folder/finetune_theirs"),
        *("--intervals", "--control", "before", "--candidate", "finetune_theirs"),
    ]
    decoded = f"{start}/{Path(found['decode_dir']).name}"
    assert found["report_inputs"] == [start, decoded, f"{decoded}/test/score"]


@pytest.fixture
def packed(tmp_path: Path) -> str:
    """A packed syllable model with a graph, its search and its weights."""
    folder = tmp_path / "packed"
    (folder / "graph").mkdir(parents=True)
    experiment(folder / "exp", token_type="word", normalize=None, frontend_conf={})
    (folder / "graph/HLG.fst").write_bytes(b"")
    (folder / "graph/decode.yaml").write_text("method: wfst\n")
    (folder / "graph/tuning.json").write_text("{}")
    meta = {
        "files": {"asr_model_file": "exp/valid.loss.ave.pth"},
        "yaml_files": {"asr_train_config": "exp/config.yaml"},
        "search": {
            "graph_dir": "graph",
            "decode_config": "graph/decode.yaml",
            "tuning": "graph/tuning.json",
        },
    }
    (folder / "meta.yaml").write_text(yaml.safe_dump(meta))
    return str(folder)


def test_a_model_with_a_graph_is_searched_through_it(tmp_path: Path, packed: str) -> None:
    found, graph = tuned(tmp_path, packed), "exp/folder/start_packed/graph"
    assert found["stages"] == ["1", "2", "3", "4", "5", "9", "11", "12"]
    assert found["decode_config"] == f"{graph}/decode_of_model.yaml"
    assert found["search_args"] == ["--graph_dir", graph]
    assert found["tuning"] == [f"{graph}/tuning.json"]
    assert found["decode_dir"] == "exp/folder/finetune_packed/decode_of_model"
    assert found["score_metrics"] == ["cer", "ser"]
    assert following(found["before_args"], "--graph-dir") == graph
    assert following(found["before_args"], "--decode-config") == f"{graph}/decode_of_model.yaml"
    assert f"{packed}/graph/tuning.json" in found["start_inputs"]
    assert tuned(tmp_path, packed, tune="false")["tuning"] == []
    assert tuned(tmp_path, packed, search="greedy")["search_args"] == []
    own = tuned(tmp_path, packed, search="wfst")
    assert own["search_args"][1].startswith("lang/folder/graph_")
    assert "7" in own["stages"]


def test_the_n_gram_of_a_model_is_mixed_with_that_of_the_folder(
    tmp_path: Path, packed: str
) -> None:
    (Path(packed) / "graph/lm.arpa.gz").write_bytes(b"")
    (tmp_path / "more.txt").write_text("一\n")
    found = tuned(tmp_path, packed, lm_text="more.txt")
    start, graph = "exp/folder/start_packed", "exp/folder/start_packed/graph"
    assert found["stages"] == ["1", "2", "3", "4", "5", "6", "7", "9", "11", "12"]
    assert following(found["ngram_args"], "--mix_arpa") == f"{graph}/lm.arpa.gz"
    assert found["ngram_inputs"] == [*found["lm_texts"], f"{graph}/lm.arpa.gz"]
    assert str(tmp_path / "more.txt") in found["lm_texts"]
    assert found["ngram"].endswith("_and_packed")
    assert found["search_args"][1].startswith("lang/folder/graph_")
    assert found["decode_config"] == f"{graph}/decode_of_model.yaml"
    assert found["tuning"] == [f"{graph}/tuning.json"]
    before = found["before_args"]
    assert following(before, "--graph-dir") == graph
    assert "--tuning" not in before
    assert following(found["report_systems"], "--decode") == "before=of_model"
    scores = [f"{start}/decode_of_model/test/{name}" for name in ("score", "score_ser")]
    assert found["report_inputs"] == [start, f"{start}/decode_of_model", *scores]
    hints = [text for text in found["hints"] if f"={graph}/lm.arpa.gz=" in text]
    assert hints == [f"--hint={graph}/lm.arpa.gz=stage 1 makes it: the same command with --stage 1"]
    chosen = tuned(tmp_path, packed, tune="true")
    assert "8" in chosen["stages"]
    assert chosen["tuning"][0].startswith("exp/folder/finetune_packed/tune_")
    assert chosen["decode_dir"] != found["decode_dir"]
    with pytest.raises(ValueError, match="--rescore --graph-dir"):
        tuned(tmp_path, packed, rescore="true")


def test_weights_of_another_decoding(tmp_path: Path) -> None:
    (tmp_path / "tuning.json").write_text("{}")
    found = plan(tmp_path, search="wfst", tuning="tuning.json")
    assert found["tuning"] == [str(tmp_path / "tuning.json")]
    assert "8" not in found["stages"]
    assert "_weights_" in found["decode_dir"]
    for given, said in (
        ({"search": "wfst", "tune": "false"}, "--tuning .* --tune false: leave one"),
        ({}, "--tuning .*: method ctc_greedy has no language model"),
        ({"search": "wfst", "rescore": "true"}, "--rescore --tuning: rescoring needs"),
    ):
        with pytest.raises(ValueError, match=said):
            plan(tmp_path, tuning="tuning.json", **given)


def test_a_graph_that_is_given_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "graph").mkdir()
    given = {"search": "wfst", "graph_dir": "graph"}
    found = plan(tmp_path, **given)
    assert not {"6", "7", "8"} & set(found["stages"])
    assert found["search_args"] == ["--graph_dir", str(tmp_path / "graph")]
    assert found["tuning"] == []
    assert "_graph_" in found["decode_dir"]
    (tmp_path / "graph/tuning.json").write_text("{}")
    assert plan(tmp_path, **given)["tuning"] == [str(tmp_path / "graph/tuning.json")]
    with pytest.raises(ValueError, match=r"--graph-dir .*: method ctc_greedy uses no graph"):
        plan(tmp_path, graph_dir="graph")
    with pytest.raises(ValueError, match="--rescore --graph-dir"):
        plan(tmp_path, **given, rescore="true", decode_config="conf/decode_wfst_nbest.yaml")


@pytest.mark.parametrize(
    ("given", "first", "last"),
    [
        ({"stop_stage": "8"}, None, None),
        ({"stop_stage": "9"}, "3", "9"),
        ({"stage": "11"}, "11", "11"),
        ({"stage": "12"}, None, None),
    ],
)
def test_stages_of_the_model_as_it_is(tmp_path: Path, model: str, given, first, last) -> None:
    words = tuned(tmp_path, model, **given)["before_args"]
    if first is None:
        assert words == []
    else:
        assert (following(words, "--stage"), following(words, "--stop-stage")) == (first, last)


def test_another_checkpoint_is_reported_alone(tmp_path: Path, model: str) -> None:
    found = tuned(tmp_path, model, inference_model="1epoch.pth")
    assert found["before_args"] == found["report_inputs"] == []
    assert found["report_systems"][0] == "--system"


def test_without_a_model_nothing_changes(tmp_path: Path) -> None:
    found = plan(tmp_path)
    assert (found["start"], found["before_args"], found["report_inputs"]) == ("", [], [])
    assert found["normalize_args"] == [
        *("--normalize", "global_mvn", "--normalize_conf"),
        "stats_file=exp/synthetic/stats_char/train/feats_stats.npz",
    ]
    assert found["report_systems"] == ["--system", "speechmoe=exp/synthetic/speechmoe"]
    assert plan(tmp_path, init_model="none") == found


@pytest.mark.parametrize("start", ["init_param", "model_dir"])
def test_a_default_model_gives_way_to_another_start(start: str) -> None:
    words = [f"{name}={value}" for name, value in (DEFAULTS | {"init_model": "theirs"}).items()]
    assert Options.from_words(words).starts_from == "theirs"
    assert Options.from_words(words, [start]).starts_from == ""
    with pytest.raises(ValueError, match="and --init-model theirs"):
        Options.from_words(words, [start, "init_model"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"init_param": "theirs/config.yaml"}, "--init-param and --init-model .*leave one of"),
        ({"token_type": "bpe"}, "--token-type and --init-model .*none trains from nothing"),
        ({"token_list": "theirs/config.yaml"}, "--token-list and --init-model"),
        ({"fbank_config": "conf/fbank.yaml"}, "--fbank-config and --init-model"),
        ({"asr_config": "conf/tune_static.yaml"}, "has encoder, encoder_conf, model_conf, which"),
        ({"expname": "start_mine"}, "--expname start_mine: .* is not for experiments"),
        (
            {"init_model": "nowhere"},
            "--init-model: nowhere: no such folder or zip.*--init-model no",
        ),
        ({"init_model": "theirs/config.yaml"}, "--init-model: .*not a zip, or damaged"),
    ],
)
def test_contradictions_are_one_line(tmp_path: Path, model: str, given, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        tuned(tmp_path, model, **given)
    assert "\n" not in str(caught.value)
