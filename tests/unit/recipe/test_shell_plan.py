"""What the script is told: names, stages and arguments that depend on several options."""

import json
from pathlib import Path

import pytest
from recipe_words import ROOT, plan

from speechmoe_espnet.pipeline.digests import command_digest_words
from speechmoe_espnet.recipe import training_args


def test_defaults_are_the_main_jobs_system(tmp_path: Path) -> None:
    found = plan(tmp_path)
    assert found["stages"] == ["1", "2", "3", "4", "5", "9", "11", "12"]
    assert found["expname"] == "speechmoe"
    assert found["units"] == "units/synthetic/char"
    assert found["decode_dir"] == "exp/synthetic/speechmoe/decode_ctc_greedy"
    assert found["tuning"] == []
    assert found["score_metrics"] == ["cer"] * 4
    assert found["times"].startswith("expected on 2 CPU cores")


def test_search_stands_for_units_and_decoding(tmp_path: Path) -> None:
    found = plan(tmp_path, search="wfst")
    assert found["stages"] == [str(number) for number in range(1, 13) if number != 10]
    assert found["token_type"] == "syllable_phone"
    assert found["decode_config"].endswith("conf/decode_wfst.yaml")
    assert found["tune_config"].endswith("conf/decode_wfst_nbest.yaml")
    given = plan(tmp_path, search="wfst", token_type="char", decode_config="conf/decode_wfst.yaml")
    assert given["token_type"] == "char"


def test_tiny_is_tiny_in_steps_and_searches_narrowly(tmp_path: Path) -> None:
    found = plan(tmp_path, preset="tiny", search="wfst", asr_args="--num_iters_per_epoch 7")
    assert found["training_args"][-4:] == ["--num_iters_per_epoch", "7", "--max_epoch", "2"]
    assert found["decode_config"].endswith("conf/decode_wfst_narrow.yaml")
    assert found["tune_config"].endswith("conf/decode_wfst_narrow_nbest.yaml")
    assert found["data"] == "data/synthetic_tiny"
    found = plan(tmp_path, preset="tiny")
    assert found["training_args"][-4:] == ["--max_epoch", "2", "--num_iters_per_epoch", "4"]
    found = plan(tmp_path, preset="tiny", asr_args="--max_epoch 5")
    assert found["training_args"][-4:] == ["--max_epoch", "5", "--num_iters_per_epoch", "4"]
    assert found["report_args"] == ["--meta", "preset=tiny"]
    assert plan(tmp_path)["training_args"][-2:] == ["--max_epoch", "8"]
    assert plan(tmp_path)["report_args"] == []


def test_tensorboard_is_asked_for_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--use_tensorboard=true" not in plan(tmp_path)["training_args"]
    monkeypatch.setattr(training_args, "find_spec", lambda name: object())
    assert "--use_tensorboard=true" in plan(tmp_path, tensorboard="true")["training_args"]
    monkeypatch.setattr(training_args, "find_spec", lambda name: None)
    plan(tmp_path, tensorboard="true", stage=6)
    with pytest.raises(
        ValueError, match=r"--tensorboard: .* install 'speechmoe_espnet.tensorboard"
    ):
        plan(tmp_path, tensorboard="true")


def test_names_change_with_what_they_depend_on(tmp_path: Path) -> None:
    for name in ("tokens.txt", "more.txt", "start.pth"):
        (tmp_path / name).write_text("a\n")
    (tmp_path / "fbank.yaml").write_text("num_mel_bins: 80\n")
    wfst = {"search": "wfst"}
    changes: list[tuple[dict[str, str], str, dict[str, object]]] = [
        *(({}, name, {"token_list": "tokens.txt"}) for name in ("units", "stats", "exp")),
        ({"token_type": "bpe"}, "units", {"nbpe": 500}),
        *(({}, name, {"fbank_config": "fbank.yaml"}) for name in ("dump", "units", "stats", "exp")),
        *(({}, name, {"seed": 1}) for name in ("data", "dump", "units", "stats", "exp")),
        *(({}, name, {"preset": "medium"}) for name in ("data", "dump", "units", "exp")),
        ({}, "exp", {"init_param": "start.pth"}),
        ({}, "decode_dir", {"inference_model": "valid.loss.best.pth"}),
        (wfst, "exp", {"search": "greedy"}),
        (wfst, "decode_dir", {"tune": "false"}),
        (wfst, "neural_lm", {"lm_text": "more.txt"}),
        *(
            (wfst, name, change)
            for name in ("ngram", "lexicon", "graph", "decode_dir", "tune_dir")
            for change in ({"lm_order": 3}, {"lm_prune": "1e-5"}, {"lm_text": "more.txt"})
        ),
    ]
    for before, name, change in changes:
        one, other = plan(tmp_path, **before)[name], plan(tmp_path, **(before | change))[name]
        assert one != other, (name, change)


def test_the_same_settings_in_another_file_have_the_same_names(tmp_path: Path) -> None:
    fbank = (ROOT / "conf/fbank.yaml").read_text()
    (tmp_path / "same.yaml").write_text(f"# as it is\n{fbank}")
    assert plan(tmp_path, fbank_config="same.yaml")["dump"] == "dump/synthetic"
    (tmp_path / "tokens.txt").write_text("a\n")
    first = plan(tmp_path, token_list="tokens.txt")["units"]
    (tmp_path / "copy.txt").write_text("a\n")
    assert plan(tmp_path, token_list="copy.txt")["units"] == first
    (tmp_path / "tokens.txt").write_text("b\n")
    assert plan(tmp_path, token_list="tokens.txt")["units"] != first


def test_names_of_experiments_stay_short(tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("a\n")
    (tmp_path / "fbank.yaml").write_text("num_mel_bins: 80\n")
    given = {"token_list": "tokens.txt", "fbank_config": "fbank.yaml", "search": "wfst"}
    names = {plan(tmp_path, **given, init_param=init)["expname"] for init in ("", "tokens.txt")}
    assert [len(name) for name in names] == [40, 40]


def test_sets_to_evaluate_do_not_change_data_and_units(tmp_path: Path) -> None:
    every, one = plan(tmp_path), plan(tmp_path, eval_sets="chat dev")
    for name in ("corpus_args", "feature_sets", "unit_args", "unit_inputs"):
        assert every[name] == one[name]
    assert one["sets"] == one["score_sets"] == ["chat", "dev"]


def test_threads_reach_every_process_or_are_refused(tmp_path: Path) -> None:
    found = plan(tmp_path, num_threads=2)
    assert found["processes"] == ["--nj", "2", "--ngpu", "0", "--num_threads", "2"]
    with pytest.raises(ValueError, match="of these stages each process has one thread"):
        plan(tmp_path, num_threads=2, stop_stage=4)


def test_paths_are_relative_unless_asked_for(tmp_path: Path) -> None:
    assert plan(tmp_path)["path_args"] == []
    assert plan(tmp_path, absolute_paths="true")["path_args"] == ["--absolute_paths"]


def test_processes_of_a_training_are_of_the_cpu_or_one_a_gpu(tmp_path: Path) -> None:
    plan(tmp_path, num_processes=2)
    plan(tmp_path, ngpu=2)
    with pytest.raises(ValueError, match="--num-processes 2 --ngpu 1: a training on GPUs"):
        plan(tmp_path, num_processes=2, ngpu=1)
    with pytest.raises(ValueError, match="--num-processes 0: at least 1"):
        plan(tmp_path, num_processes=0)


def test_length_of_a_training_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--asr-args: max_epoch: expected a whole number"):
        plan(tmp_path, asr_args="--max_epoch many")
    (tmp_path / "mine.yaml").write_text("max_epoch: soon\n")
    with pytest.raises(ValueError, match=r"mine.yaml: max_epoch: expected a whole number"):
        plan(tmp_path, asr_config="mine.yaml")
    (tmp_path / "mine.yaml").write_text("just words\n")
    with pytest.raises(ValueError, match=r"mine.yaml: expected `key: value` lines"):
        plan(tmp_path, asr_config="mine.yaml")


def test_a_threshold_is_a_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--lm-prune \.\./x: a number"):
        plan(tmp_path, lm_prune="../x")


def test_another_folder_does_not_replace_a_corpus(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    own = {"corpus": "kaldi", "corpus_dir": str(first), "recipe_dir": tmp_path}
    assert plan(tmp_path, **own)["data"] == "data/kaldi"
    data = tmp_path / "data/kaldi"
    data.mkdir(parents=True)
    mark = {"command": ["python", "--corpus", "kaldi", "--corpus_dir", str(first), "--nj", "2"]}
    (data / ".done.json").write_text(json.dumps(mark))
    assert plan(tmp_path, **own)["data"] == "data/kaldi"
    own["corpus_dir"] = str(second)
    with pytest.raises(ValueError, match=r"data/kaldi was made from .*first; .*--corpus-name NAME"):
        plan(tmp_path, **own)
    assert plan(tmp_path, stage=2, **own)["data"] == "data/kaldi"
    named = plan(tmp_path, corpus_name="mine", **own)
    assert (named["data"], named["units"]) == ("data/mine", "units/mine/char")
    assert named["exp"] == "exp/mine/speechmoe"


@pytest.mark.parametrize("voices", ["kokoro", "mixed"])
def test_natural_voices_are_part_of_the_command(tmp_path: Path, voices: str) -> None:
    (tmp_path / "mine").mkdir()
    found = plan(tmp_path, voices=voices, voices_dir="mine")
    assert found["corpus_inputs"] == [str(tmp_path / "mine")]
    words = found["corpus_args"]
    assert words[words.index("--voices") : words.index("--speech_dir")] == [
        *("--voices", voices, "--voices_dir", str(tmp_path / "mine"))
    ]
    assert not found["times"]
    assert "--voices" not in plan(tmp_path)["corpus_args"]
    elsewhere = [*words[:-1], "/elsewhere"]
    assert command_digest_words(words) == command_digest_words(elsewhere)


def test_a_folder_of_voices_is_needed_for_the_data_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--voices-dir: there is no 'x'.*fetch_voices"):
        plan(tmp_path, voices="kokoro", voices_dir="x")
    assert plan(tmp_path, voices="kokoro", voices_dir="x", stage=2)["data"].endswith("_kokoro")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"voices_dir": "."}, "--voices-dir . is not used by --voices espeak"),
        ({"corpus": "kaldi", "corpus_dir": ".", "voices": "mixed"}, "--voices is for --corpus syn"),
    ],
)
def test_voices_are_for_the_synthetic_corpus(tmp_path: Path, options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(tmp_path, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corpus_name": "mine"}, "--corpus-name is for real corpora"),
        ({"corpus": "kaldi", "corpus_dir": ".", "corpus_name": "../x"}, "a name has letters"),
    ],
)
def test_names_of_corpora_are_checked(tmp_path: Path, options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(tmp_path, **options)


def test_a_corpus_of_ones_own_is_converted_and_bad_utterances_may_be_left_out(
    tmp_path: Path,
) -> None:
    own = {"corpus": "kaldi", "corpus_dir": str(tmp_path)}
    values = plan(tmp_path, **own)
    assert values["feature_args"] == ["--own_corpus"]
    assert "resampled to 16000 Hz and channels averaged" in values["converts"]
    values = plan(tmp_path, **own, skip_bad="bad.txt")
    assert values["feature_args"] == ["--own_corpus", "--skip_bad", "{out}/left_out"]
    assert values["skip_bad"] == str(tmp_path / "bad.txt")
    assert "--skip_bad" in values["corpus_args"]
    public = plan(tmp_path, corpus="aishell", corpus_dir=str(tmp_path))
    assert (public["feature_args"], public["converts"]) == ([], "")
    strict = tmp_path / "fbank.yaml"
    strict.write_text("resample: false\nchannel: 1\n")
    assert plan(tmp_path, **own, fbank_config=strict)["converts"] == ""
    with pytest.raises(ValueError, match="--skip-bad is for real corpora"):
        plan(tmp_path, skip_bad="bad.txt")


def test_a_language_model_without_transcripts(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("a\n")
    with_text = {"search": "wfst", "lm_text": "more.txt"}
    texts = plan(tmp_path, **with_text, lm_transcripts="false")["lm_texts"]
    assert [Path(str(text)).name for text in texts] == ["more.txt"]
    assert len(plan(tmp_path, **with_text)["lm_texts"]) == 2
    with pytest.raises(ValueError, match="--lm-transcripts false needs --lm-text"):
        plan(tmp_path, lm_transcripts="false")
