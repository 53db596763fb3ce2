"""Stages 6 to 12 of a recipe: which ones run, their inputs and their arguments."""

import os
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from fake_recipe import Recipe, finished

WFST = ("--search", "wfst")
GREEDY = ("--decode-config", "conf/decode_ctc_greedy.yaml")
NGRAM = ("--token-type", "char", "--decode-config", "conf/decode_ctc_prefix_beam_ngram.yaml")
NBEST = ("--decode-config", "conf/decode_wfst_nbest.yaml")
MINE = (*WFST, "--expname", "mine", "--eval-sets", "read")
CORPUS = ("--corpus", "kaldi", "--corpus-dir", ".")
TOKENS = "units/synthetic/syllable_phone/tokens.txt"
NGRAM_DIR, LEXICON_DIR, GRAPH_DIR = (
    f"lang/synthetic/{name}5"
    for name in ("ngram_word", "lexicon_syllable_phone", "graph_syllable_phone")
)


def told(recipe: Recipe, target: str) -> dict[str, str]:
    """Return the options and values of a command, without its output directory."""
    words = recipe.words(target)
    options = {
        word[2:]: " ".join(recipe.values(target, word)) for word in words if word[:2] == "--"
    }
    del options["output_dir"]
    return options


def test_default_stages_from_language_model_to_report(recipe: Recipe) -> None:
    exp = recipe.experiment()
    recipe.run(*MINE, stage=6, last=12)
    assert told(recipe, NGRAM_DIR) == {
        "level": "word",
        "order": "5",
        "texts": "data/synthetic/lm_text",
        "dev_text": "dump/synthetic/dev/text",
    }
    assert told(recipe, LEXICON_DIR) == {
        "words": f"{NGRAM_DIR}/vocab",
        "texts": "data/synthetic/lm_text",
        "token_type": "syllable_phone",
        "token_list": TOKENS,
    }
    assert told(recipe, GRAPH_DIR) == {
        "lexicon": f"{LEXICON_DIR}/lexicon.txt",
        "arpa": f"{NGRAM_DIR}/lm_pruned.arpa",
        "order": "5",
        "token_list": TOKENS,
    }
    decoding = {
        "model_dir": exp,
        "model_file": "valid.loss.ave.pth",
        "graph_dir": GRAPH_DIR,
        "nj": "2",
        "ngpu": "0",
    }
    assert told(recipe, f"{exp}/tune_wfst/nbest") == decoding | {
        "config": "../../../conf/decode_wfst_nbest.yaml",
        "data_dirs": "dump/synthetic/dev",
    }
    assert told(recipe, f"{exp}/tune_wfst/weights") == {
        "decode_dir": f"{exp}/tune_wfst/nbest/dev",
        "data_dir": "dump/synthetic/dev",
        "lm_weights": "0.1:1.5:0.1",
    }
    decoded = f"{exp}/decode_wfst"
    assert told(recipe, decoded) == decoding | {
        "config": "../../../conf/decode_wfst.yaml",
        "data_dirs": "dump/synthetic/read",
        "tuning": f"{exp}/tune_wfst/weights/tuning.json",
    }
    scoring = {"utt2spk": "dump/synthetic/read/utt2spk", "hyp_dir": f"{decoded}/read"}
    assert told(recipe, f"{decoded}/read/score") == scoring | {
        "ref_dir": "dump/synthetic/read",
        "hyp_name": "text",
        "metric": "cer",
    }
    assert told(recipe, f"{decoded}/read/score_ser") == scoring | {
        "ref_dir": "units/synthetic/syllable_phone/read",
        "hyp_name": "units",
        "metric": "ser",
    }
    assert told(recipe, f"{exp}/report") == {
        "system": f"mine={exp}",
        "corpus": "synthetic",
        "seed": "0",
        "decode": "wfst",
        "sets": "read",
        "audio_dir": "data/synthetic",
        "feature_dir": "dump/synthetic",
    }
    assert not (recipe.dir / exp / "pack").exists()
    recipe.run(*MINE, "--licence", "MIT", stage=13)
    assert told(recipe, f"{exp}/pack") == {
        "model_dir": exp,
        "model_file": "valid.loss.ave.pth",
        "name": "mine",
        "corpus": "synthetic",
        "decode_dirs": decoded,
        "graph_dir": GRAPH_DIR,
        "decode_config": "../../../conf/decode_wfst.yaml",
        "tuning": f"{exp}/tune_wfst/weights/tuning.json",
        "licence": "MIT",
    }

    assert "making" not in recipe.run(*MINE, stage=6, last=12)
    (recipe.dir / "data/synthetic/lm_text").write_text("二\n")
    output = recipe.run(*MINE, stage=6, last=12)
    assert f"making {NGRAM_DIR}" in output
    assert f"making {LEXICON_DIR}" in output
    assert output.count("making") == 2  # they came out the same, so that nothing follows


@pytest.mark.parametrize(
    ("options", "nj", "ngpu"),
    [((), "2", "0"), (("--ngpu", "1", "--nj", "4"), "1", "1"), (("--ngpu", "2"), "1", "1")],
)
def test_decoding_takes_one_process_and_one_gpu(
    recipe: Recipe, options: Sequence[str], nj: str, ngpu: str
) -> None:
    exp = recipe.experiment()
    recipe.run(*MINE, *GREEDY, *options, stage=9)
    assert recipe.value(f"{exp}/decode_ctc_greedy", "--nj") == nj
    assert recipe.value(f"{exp}/decode_ctc_greedy", "--ngpu") == ngpu


def test_model_of_another_recipe(recipe: Recipe) -> None:
    model = finished(recipe.root / "other/exp/synthetic/static")
    options = (*GREEDY, "--model-dir", str(model))
    recipe.run(*options, stage=9)
    assert recipe.value("exp/synthetic/static/decode_ctc_greedy", "--model_dir") in (
        str(model),
        os.path.relpath(model, recipe.dir),
    )
    assert "stage 12" not in recipe.run(*options, stage=9, last=12)

    (model / ".started.json").write_text("{}")
    output = recipe.run(*options, stage=9, status=1)
    assert "is not finished; --model-dir wants a finished experiment" in output


def test_search_without_language_model(recipe: Recipe) -> None:
    exp = recipe.experiment()
    output = recipe.run(*MINE, *GREEDY, stage=6, last=12)
    assert not any(f"stage {number}:" in output for number in (6, 7, 8, 10))
    assert not (recipe.dir / "lang").exists()
    decoded = f"{exp}/decode_ctc_greedy"
    assert not {"--graph_dir", "--ngram", "--tuning"} & set(recipe.words(decoded))
    assert recipe.value(f"{decoded}/read/score", "--metric") == "ser"
    assert recipe.value(f"{decoded}/read/score", "--hyp_name") == "units"
    assert not (recipe.dir / decoded / "read/score_ser").exists()
    recipe.run(*MINE, *GREEDY, "--token-type", "char", stage=9, last=11)
    assert recipe.value(f"{decoded}/read/score", "--metric") == "cer"
    assert recipe.value(f"{decoded}/read/score", "--hyp_name") == "text"

    output = recipe.run(*MINE, *GREEDY, stage=6, last=8, status=1)
    assert "nothing is left to run; " in output
    assert (
        "(method\nctc_greedy) leaves out stages 6 to 8, since it needs no language model" in output
    )


def test_search_with_an_ngram_of_characters(recipe: Recipe) -> None:
    exp = recipe.experiment()
    output = recipe.run(*MINE, *NGRAM, stage=6, last=12)
    assert "stage 7:" not in output
    assert os.listdir(recipe.dir / "lang/synthetic") == ["ngram_char5"]
    assert recipe.value("lang/synthetic/ngram_char5", "--level") == "char"
    decoding = "ctc_prefix_beam_ngram"
    for target in (f"{exp}/tune_{decoding}/nbest", f"{exp}/decode_{decoding}"):
        assert recipe.value(target, "--ngram") == "lang/synthetic/ngram_char5/lm_pruned.arpa"
        assert recipe.value(target, "--config") == "../../../conf/decode_ctc_prefix_beam_ngram.yaml"
        assert "--graph_dir" not in recipe.words(target)
    assert recipe.value(f"{exp}/decode_{decoding}", "--tuning") == (
        f"{exp}/tune_{decoding}/weights/tuning.json"
    )
    assert recipe.value(f"{exp}/decode_{decoding}/read/score", "--metric") == "cer"
    output = recipe.run(*MINE, *NGRAM, stage=7, status=1)
    assert "leaves out stage 7, since it needs no graph" in output


def test_words_written_in_characters(recipe: Recipe) -> None:
    exp = recipe.experiment()
    recipe.run(*MINE, "--token-type", "char", stage=6, last=11)
    assert recipe.value("lang/synthetic/lexicon_char5", "--token_type") == "char"
    tokens = recipe.value("lang/synthetic/graph_char5", "--token_list")
    assert tokens == "units/synthetic/char/tokens.txt"
    decoded = f"{exp}/decode_wfst"
    assert recipe.value(decoded, "--graph_dir") == "lang/synthetic/graph_char5"
    assert recipe.value(f"{decoded}/read/score", "--metric") == "cer"
    assert not (recipe.dir / decoded / "read/score_ser").exists()


def test_weights_of_the_configuration(recipe: Recipe) -> None:
    exp = recipe.experiment()
    recipe.run(*MINE, stage=6, last=7)
    output = recipe.run(*MINE, "--tune", "false", stage=8, last=9)
    assert "stage 8:" not in output
    assert "--tuning" not in recipe.words(f"{exp}/decode_wfst_untuned")
    recipe.run(*MINE, stage=8, last=9)
    assert "--tuning" in recipe.words(f"{exp}/decode_wfst")


def test_lists_for_tuning_by_another_configuration(recipe: Recipe) -> None:
    exp = recipe.experiment()
    (recipe.dir / "my_lists.yaml").write_text("method: wfst\nbeam: 6\nnbest: 3\n")
    recipe.run(*MINE, "--tune-config", "my_lists.yaml", stage=6, last=9)
    assert recipe.value(f"{exp}/tune_wfst/nbest", "--config") == "my_lists.yaml"
    assert recipe.value(f"{exp}/decode_wfst", "--config") == "../../../conf/decode_wfst.yaml"


def test_texts_and_order_of_the_language_model(recipe: Recipe) -> None:
    (recipe.dir / "more.txt").write_text("三\n")
    (recipe.root / "much more.txt").write_text("四\n")
    (recipe.root / "rest.txt").write_text("四\n")
    options = ("--lm-text", "more.txt rest.txt", "--lm-order", "3", "--lm-prune", "1e-5")
    recipe.run(*MINE, *options, stage=6, last=7)
    (ngram,) = (path.name for path in (recipe.dir / "lang/synthetic").glob("ngram_*"))
    assert re.fullmatch(r"ngram_word3_prune1e-5_text_[0-9a-f]{8}", ngram)
    tag = ngram.removeprefix("ngram_word")
    ngram = f"lang/synthetic/{ngram}"
    texts = ["more.txt", "../../../rest.txt", "data/synthetic/lm_text"]
    assert recipe.values(ngram, "--texts") == texts
    assert recipe.values(f"lang/synthetic/lexicon_syllable_phone{tag}", "--texts") == texts
    assert recipe.value(ngram, "--order") == "3"
    assert recipe.value(ngram, "--prune_threshold") == "1e-5"
    assert recipe.value(f"lang/synthetic/graph_syllable_phone{tag}", "--order") == "3"
    assert "making" not in recipe.run(*MINE, *options, stage=6, last=7)
    (recipe.dir / "more.txt").write_text("五\n")
    assert f"making {ngram}" in recipe.run(*MINE, *options, stage=6, last=7)
    output = recipe.run(*WFST, "--lm-text", "more.txt none.txt", stage=6, status=1)
    assert "--lm-text: there is no 'none.txt'" in output


def test_a_real_corpus_gives_its_training_transcripts(recipe: Recipe) -> None:
    recipe.run(*WFST, *CORPUS, stage=6)
    texts = ["dump/kaldi/train/text"]
    assert recipe.values("lang/kaldi/ngram_word5", "--texts") == texts
    assert recipe.value("lang/kaldi/ngram_word5", "--dev_text") == "dump/kaldi/dev/text"
    assert recipe.values("lang/kaldi/lexicon_syllable_phone5", "--texts") == texts


def test_given_units_have_a_graph_of_their_own(recipe: Recipe) -> None:
    (recipe.dir / "given.txt").write_text("一\n")
    options = (*WFST, "--token-list", "given.txt")
    recipe.run(*options, stage=3)
    recipe.run(*options, stage=6, last=7)
    first = f"syllable_phone_{_digest('一')}"
    graph = f"lang/synthetic/graph_{first}_5"
    assert recipe.value(graph, "--token_list") == f"units/synthetic/{first}/tokens.txt"
    assert not (recipe.dir / GRAPH_DIR).exists()

    (recipe.dir / "given.txt").write_text("一\n二\n")
    before = snapshot(recipe.dir / "units")
    output = recipe.run(*options, stage=3)
    assert f"making units/synthetic/syllable_phone_{_digest('一', '二')}" in output
    assert before.items() <= snapshot(recipe.dir / "units").items()
    assert "up to date" in recipe.run(*options, stage=3)


def _digest(*lines: str) -> str:
    return sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()[:8]


def snapshot(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_rescoring_by_a_neural_language_model(recipe: Recipe) -> None:
    exp = recipe.experiment()
    (recipe.dir / "more.txt").write_text("三\n")
    options = (*MINE, *NBEST, "--rescore", "--lm-text", "more.txt")
    recipe.run(*options, stage=6, last=12)
    (lm,) = (path.name for path in (recipe.dir / "exp/synthetic").glob("lm_train_lm_rnn_text_*"))
    lm = f"exp/synthetic/{lm}"
    texts = ["more.txt", "data/synthetic/lm_text"]
    assert recipe.values(f"{lm}/data", "--train_texts") == texts
    assert recipe.value(f"{lm}/data", "--dev_text") == "dump/synthetic/dev/text"
    assert recipe.value(lm, "--config") == "../../../conf/train_lm_rnn.yaml"
    (lists,) = (
        f"{exp}/{path.name}" for path in (recipe.dir / exp).glob("tune_wfst_nbest_lm5_text_*")
    )
    decoded = lists.replace("/tune_", "/decode_")
    assert told(recipe, f"{lists}/nbest_rescored") == {
        "decode_dir": f"{lists}/nbest",
        "sets": "dev",
        "lm_dir": lm,
        "ngpu": "0",
        "nn_lm_weight": "0.3",
        "dev_text": "dump/synthetic/dev/text",
    }
    assert recipe.value(f"{lists}/weights_rescored", "--nn_lm_weights") == "0:1.2:0.1"
    rescored = f"{decoded}_rescored"
    assert told(recipe, rescored) == {
        "decode_dir": decoded,
        "sets": "read",
        "lm_dir": lm,
        "ngpu": "0",
        "tuning": f"{lists}/weights_rescored/tuning.json",
    }
    assert recipe.value(f"{rescored}/read/score", "--hyp_dir") == f"{rescored}/read"
    assert not (recipe.dir / decoded / "read/score").exists()
    assert recipe.value(f"{exp}/report", "--decode") == rescored.partition("decode_")[2]

    # Stage 10 by itself trains on the same text.
    output = recipe.run(*options, stage=10)
    assert output.count("is up to date") == 4
    assert "making" not in output


def test_threads_reach_the_neural_language_model_and_rescoring(recipe: Recipe) -> None:
    exp = recipe.experiment()
    recipe.run(*MINE, *NBEST, "--rescore", "--num-threads", "3", stage=6, last=10)
    for target in (
        "exp/synthetic/lm_train_lm_rnn",
        f"{exp}/tune_wfst_nbest/nbest_rescored",
        f"{exp}/decode_wfst_nbest_rescored",
    ):
        assert set(recipe.threads(target).values()) == {"3"}, target


@pytest.mark.parametrize(
    ("stage", "options", "said"),
    [
        (6, (), "data/synthetic/lm_text does not exist; stage 1 makes it"),
        (6, CORPUS, "dump/kaldi/train/text does not exist; stage 1 comes first"),
        (7, (), f"{LEXICON_DIR} does not exist; stage 6 makes it"),
        (8, (), f"{GRAPH_DIR} does not exist; stage 6 comes first"),
        (8, NGRAM, "lang/synthetic/ngram_char5 does not exist; stage 6 makes it"),
        (9, ("--tune", "false"), f"{GRAPH_DIR} does not exist; stage 6 comes first"),
        (9, GREEDY, "exp/synthetic/never does not exist; stage 5 makes it"),
        (
            10,
            ("--rescore", *NBEST),
            "needs n-best lists of dev; the same command with --stage 6 makes them",
        ),
        (11, (), "exp/synthetic/mine/decode_wfst/read/text does not exist; stage 6 comes first"),
        (12, (), "exp/synthetic/mine/decode_wfst does not exist; stage 6 comes first"),
    ],
)
def test_stages_out_of_order(recipe: Recipe, stage: int, options: Sequence[str], said: str) -> None:
    recipe.experiment()
    for name in ("data/synthetic/lm_text", "dump/kaldi/train/text"):
        if name in said:
            (recipe.dir / name).unlink()
    name = "never" if "never" in said else "mine"
    options = (*MINE[4:], *WFST, *options) if options != CORPUS else (*WFST, *options)
    output = recipe.run("--expname", name, *options, stage=stage, status=1)
    assert said in output
    assert f"the same command with --stage {said.split('stage ')[-1][0]}" in output


def test_decoding_waits_for_its_weights(recipe: Recipe) -> None:
    recipe.experiment()
    recipe.run(*MINE, stage=6, last=7)
    output = recipe.run(*MINE, stage=9, status=1)
    assert "tune_wfst/weights/tuning.json does not exist; stage 8 makes it" in output
    assert not (recipe.dir / "exp/synthetic/mine/decode_wfst").exists()


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("method: wfts\n", "is not one of ctc_greedy"),
        ("method: wfst\nbeem: 3\n", "unknown key beem"),
        ("method: ctc_greedy\nbeam: 3.0\n", "not used by method ctc_greedy"),
        ("just words", "expected `key: value` lines"),
    ],
)
def test_bad_decode_configuration_is_found_before_anything_runs(
    recipe: Recipe, yaml: str, said: str
) -> None:
    (recipe.dir / "decode_mine.yaml").write_text(yaml)
    output = recipe.run("--decode-config", "decode_mine.yaml", stage=3, last=9, status=1)
    assert "decode_mine.yaml" in output
    assert said in output
    assert "stage 3" not in output
