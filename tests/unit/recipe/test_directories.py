"""Names of directories: settings that change content have names of their own."""

from pathlib import Path

import pytest
from recipe_words import plan

WFST = {"search": "wfst"}
RESCORED = {**WFST, "decode_config": "conf/decode_wfst_nbest.yaml", "rescore": "true"}
NGRAMS = ("ngram", "lexicon", "graph", "decode_dir", "tune_dir")
# What one directory depends on, as in the table of recipe/directories.py: the directories, the
# options of the run, and the option with two values.
TABLE: list[tuple[tuple[str, ...], dict[str, str], str, tuple[str, str]]] = [
    (("data", "dump", "units", "stats", "exp"), {}, "preset", ("small", "tiny")),
    (("data", "dump", "units", "stats", "exp"), {}, "seed", ("0", "1")),
    (("data", "dump", "units", "stats", "exp"), {"stage": "2"}, "voices", ("espeak", "kokoro")),
    (("data",), {"stage": "2"}, "voices", ("kokoro", "mixed")),
    (("data", "dump"), {"corpus_dir": "."}, "corpus", ("kaldi", "aishell")),
    (("dump", "units", "stats", "exp"), {}, "fbank_config", ("conf/fbank.yaml", "other.yaml")),
    (("units", "stats", "exp"), {}, "token_type", ("char", "bpe")),
    (("units", "stats", "exp"), {"token_type": "bpe"}, "nbpe", ("500", "600")),
    (("units", "stats", "exp"), {}, "token_list", ("one.txt", "two.txt")),
    (NGRAMS, WFST, "lm_order", ("5", "3")),
    (NGRAMS, WFST, "lm_prune", ("", "1e-5")),
    (NGRAMS, WFST, "lm_text", ("one.txt", "two.txt")),
    (NGRAMS, {**WFST, "lm_text": "one.txt"}, "lm_transcripts", ("true", "false")),
    (("neural_lm",), {**RESCORED, "lm_text": "one.txt"}, "lm_transcripts", ("true", "false")),
    (("exp",), {}, "asr_config", ("conf/train_speechmoe.yaml", "conf/train_static.yaml")),
    (("exp",), {}, "init_param", ("one.txt", "two.txt")),
    (("exp",), {"corpus": "kaldi", "corpus_dir": "."}, "seed", ("0", "1")),
    (("exp",), {}, "expname", ("one", "two")),
    (("decode_dir", "rescored"), {}, "inference_model", ("valid.loss.ave.pth", "1epoch.pth")),
    (
        ("decode_dir", "tune_dir", "rescored"),
        WFST,
        "decode_config",
        ("conf/decode_wfst.yaml", "conf/decode_wfst_nbest.yaml"),
    ),
    (("decode_dir",), WFST, "tune", ("true", "false")),
    (("neural_lm", "rescored"), RESCORED, "lm_config", ("conf/train_lm_rnn.yaml", "lm.yaml")),
    (("neural_lm",), RESCORED, "lm_text", ("one.txt", "two.txt")),
]


@pytest.fixture
def caller(tmp_path: Path) -> Path:
    for name in ("one.txt", "two.txt", "lm.yaml"):
        (tmp_path / name).write_text(f"{name}\n")
    (tmp_path / "other.yaml").write_text("num_mel_bins: 80\n")
    return tmp_path


@pytest.mark.parametrize(
    ("names", "given", "option", "values"),
    TABLE,
    ids=[f"{'_'.join((*given, option))}-{values[1]}" for _, given, option, values in TABLE],
)
def test_two_values_have_two_names(
    caller: Path,
    names: tuple[str, ...],
    given: dict[str, str],
    option: str,
    values: tuple[str, str],
) -> None:
    one, other = (plan(caller, **(given | {option: value})) for value in values)
    for name in names:
        assert one[name] != other[name], name


def test_names_of_the_defaults_are_short(tmp_path: Path) -> None:
    found = plan(tmp_path)
    exp = "exp/synthetic/speechmoe"
    assert {name: found[name] for name in ("data", "dump", "units", "stats", "exp", "logs")} == {
        "data": "data/synthetic",
        "dump": "dump/synthetic",
        "units": "units/synthetic/char",
        "stats": "exp/synthetic/stats_char",
        "exp": exp,
        "logs": "exp/synthetic/log",
    }
    assert found["decode_dir"] == f"{exp}/decode_ctc_greedy"
    found = plan(tmp_path, **RESCORED)
    exp = "exp/synthetic/speechmoe_syllable_phone"
    assert [found[name] for name in ("ngram", "lexicon", "graph", "neural_lm")] == [
        "lang/synthetic/ngram_word5",
        "lang/synthetic/lexicon_syllable_phone5",
        "lang/synthetic/graph_syllable_phone5",
        "exp/synthetic/lm_train_lm_rnn",
    ]
    assert [found[name] for name in ("decode_dir", "tune_dir", "rescored")] == [
        f"{exp}/decode_wfst_nbest",
        f"{exp}/tune_wfst_nbest",
        f"{exp}/decode_wfst_nbest_rescored",
    ]


@pytest.mark.parametrize("name", ["two words", "../up", "a" * 41])
def test_names_that_are_no_directory_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="--expname: a name has up to 40 letters"):
        plan(tmp_path, expname=name)


@pytest.mark.parametrize("name", ["log", "stats_char", "lm_mine"])
def test_names_of_other_directories_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"--expname {name}: .* is not for experiments"):
        plan(tmp_path, expname=name)


def test_the_name_of_a_given_model_is_that_of_the_experiment(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    assert plan(tmp_path, model_dir="theirs")["expname"] == "theirs"
    assert plan(tmp_path, model_dir="theirs", expname="mine")["expname"] == "mine"
