"""run_all.sh from scratch to the table, and a second run with nothing to do."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import WATCHING, Project, error_rate, snapshot

from speechmoe_espnet import __version__
from speechmoe_espnet.data.text_norm import normalize_text

SETS = {"read", "chat", "spon", "aishell2"}
# Keys of ESPnet's config.yaml that may differ between the dense baseline and SpeechMoE: routing,
# and settings tuned on dev for each at equal computation.
DIFFERENT = {
    *(f"encoder_conf.{key}" for key in ("subsampling", "num_blocks", "attention_every")),
    *(f"encoder_conf.{key}" for key in ("moe_conf.num_experts", "output_size", "linear_units")),
    "model_conf.alpha",
    "model_conf.beta",
    "model_conf.router_lr_scale",
    "optim_conf.lr",
}


def test_main_job(empty_project: Project) -> None:
    recipe = empty_project.root / "egs/mix/asr1"
    opened = empty_project.root / "opened"
    watching = {"PYTHONPATH": str(WATCHING), "SPEECHMOE_TEST_OPENED": str(opened)}
    output = empty_project.run("./run_all.sh", "--preset", "tiny", "--nj", "2", env=watching)
    _check_report(empty_project, "", output, "ctc_greedy")
    _check_greedy_decoding(recipe)

    words = ("./run_all.sh", "--preset", "tiny", "--search", "wfst")
    output = empty_project.run(*words, "--nj", "2", env=watching)
    _check_report(empty_project, "_wfst", output, "wfst")
    _check_wfst_decoding(recipe)
    _check_no_held_out_sentence(recipe)
    _check_readers_of_references(recipe, opened)

    for options, suffix in (((), ""), (("--search", "wfst"), "_wfst")):
        before = snapshot(empty_project.root / "exp"), snapshot(empty_project.root / "egs")
        output = empty_project.run("./run_all.sh", "--preset", "tiny", "--nj", "1", *options)
        after = snapshot(empty_project.root / "exp"), snapshot(empty_project.root / "egs")
        assert before == after
        assert "making" not in output
        assert (empty_project.root / f"exp/report{suffix}/table.txt").read_text() in output


def _check_report(project: Project, suffix: str, output: str, method: str) -> None:
    """Check the report: two systems that differ in routing alone, all sets, all figures."""
    report = project.root / f"exp/report{suffix}"
    assert (report / "table.txt").read_text() in output
    assert f"exp/report{suffix}/index.html" in output

    results = json.loads((report / "results.json").read_text())
    assert set(results["systems"]) == {"static", "speechmoe"}
    for system in results["systems"].values():
        assert set(system["sets"]) == SETS
        assert set(system["ser"] or {}) == ({*SETS, "total"} if method == "wfst" else set())
        assert system["decoding"]["method"] == method
        assert {"params_total", "params_active", "flops_per_second_of_audio"} <= set(system)
        assert {"steps", "seconds_training", "rtf"} <= set(system)
        for figures in system["sets"].values():
            assert set(figures) >= {"cer", "num_utts", "num_chars", "sub", "del", "ins"}
    assert set(results["relative_change"]) >= SETS
    for name in SETS:
        assert set(results["relative_change"][name]) >= {"mean", "low", "high"}
    assert results["seed"] == 0
    assert results["seconds_total"] > 1
    assert {"versions", "commit"} <= set(results)
    control, speechmoe = (results["systems"][name] for name in ("static", "speechmoe"))
    assert control["steps"] == speechmoe["steps"]
    assert speechmoe["params_total"] > control["params_total"]
    assert control["params_active"] == control["params_total"]
    assert speechmoe["params_active"] <= 1.05 * control["params_active"]
    flops = "flops_per_second_of_audio"
    assert speechmoe[flops] == pytest.approx(control[flops], rel=0.08)
    for name in SETS:
        ours, theirs = (system["sets"][name]["cer"] for system in (control, speechmoe))
        assert results["relative_change"][name]["mean"] == pytest.approx((ours - theirs) / ours)
    assert results["versions"]["speechmoe_espnet"] == __version__

    experiments = project.root / "egs/mix/asr1/exp/synthetic_tiny"
    configs = [_read_config(experiments / f"{name}{suffix}") for name in ("static", "speechmoe")]
    different = {key for key in {*configs[0], *configs[1]} if _differs(key, *configs)}
    # Each experiment holds its own copy of the same statistics.
    assert different <= {"config", "output_dir", "normalize_conf", *DIFFERENT}
    copies = [experiments / f"{name}{suffix}/feats_stats.npz" for name in ("static", "speechmoe")]
    assert copies[0].read_bytes() == copies[1].read_bytes()
    assert "encoder_conf.moe_conf.num_experts" in different
    for name in ("static", "speechmoe"):
        mark = json.loads((experiments / f"{name}{suffix}/.done.json").read_text())
        assert results["systems"][name]["commit"] == mark["commit"]


def _check_greedy_decoding(recipe: Path) -> None:
    """Check that greedy decoding makes no language model and tunes no weight."""
    assert not (recipe / "lang").exists()
    for system in ("static", "speechmoe"):
        experiment = recipe / "exp/synthetic_tiny" / system
        assert not list(experiment.glob("tune_*"))
        for name in SETS:
            decoded = experiment / "decode_ctc_greedy" / name
            score = json.loads((decoded / "score/cer.json").read_text())
            texts = recipe / "dump/synthetic_tiny" / name / "text", decoded / "text"
            assert (score["metric"], score["cer"]) == ("cer", pytest.approx(error_rate(*texts)))


def _check_wfst_decoding(recipe: Path) -> None:
    """Check that all systems share a graph and have their own weights and both error rates."""
    assert sorted(path.name for path in (recipe / "lang/synthetic_tiny").iterdir()) == [
        "graph_syllable_phone5",
        "lexicon_syllable_phone5",
        "ngram_word5",
    ]
    for system in ("static", "speechmoe"):
        experiment = recipe / "exp/synthetic_tiny" / f"{system}_wfst"
        decoded = experiment / "decode_wfst_narrow"
        weights = experiment / "tune_wfst_narrow/weights/tuning.json"
        tuned = json.loads(weights.read_text())
        settings = json.loads((decoded / "decode.json").read_text())
        assert settings["method"] == "wfst"
        assert set(settings["tuned"]) == {"lm_weight", "insertion_bonus"}
        for name, value in settings["tuned"].items():
            assert settings[name] == value == tuned[name]
        for name in SETS:
            texts = recipe / "dump/synthetic_tiny" / name / "text", decoded / name / "text"
            score = json.loads((decoded / name / "score/cer.json").read_text())
            assert (score["metric"], score["cer"]) == ("cer", pytest.approx(error_rate(*texts)))
            units = (
                recipe / "units/synthetic_tiny/syllable_phone" / name / "text",
                decoded / name / "units",
            )
            score = json.loads((decoded / name / "score_ser/cer.json").read_text())
            assert score["metric"] == "ser"
            assert score["cer"] == pytest.approx(error_rate(*units, separator=None))


def _check_no_held_out_sentence(recipe: Path) -> None:
    lines = (recipe / "data/synthetic_tiny/lm_text").read_text(encoding="utf-8").splitlines()
    text = "\n".join(map(normalize_text, lines))
    assert len(lines) > 1000
    for name in ("dev", *SETS):
        for line in (
            (recipe / "data/synthetic_tiny" / name / "text").read_text("utf-8").splitlines()
        ):
            utt, sentence = line.split(maxsplit=1)
            assert normalize_text(sentence) not in text, f"{name}: {utt}"
    train = (recipe / "data/synthetic_tiny/train/text").read_text("utf-8").splitlines()
    assert all(normalize_text(line.split(maxsplit=1)[1]) in text for line in train)


def _check_readers_of_references(recipe: Path, opened: Path) -> None:
    """Check that training, tuning and decoding never opened an evaluation transcript."""
    readers: dict[str, set[str]] = {name: set() for name in ("train", "dev", *SETS)}
    lm_text = recipe / "data/synthetic_tiny/lm_text"
    readers_of_lm_text = set()
    for line in opened.read_text(encoding="utf-8").splitlines():
        command, path = line.split("\t")
        folder = Path(path).parent
        if Path(path) == lm_text:
            readers_of_lm_text.add(command)
        if recipe in folder.parents and folder.name in readers and "exp" not in folder.parts:
            readers[folder.name].add(command)
    # Commands of data preparation; `stage` computes digests of its inputs.
    preparing = {"prepare_corpus", "extract_features", "make_units", "stage"}
    evaluating = {"score"}
    for name in SETS:
        assert evaluating <= readers[name] <= preparing | evaluating, (name, readers[name])
    assert readers["dev"] >= {"tune", "train_ngram", "asr_train"}
    assert "asr_train" in readers["train"]
    # The language model text contains each transcript once already.
    assert not {"train_ngram", "make_lexicon"} & readers["train"]
    assert readers_of_lm_text >= {"train_ngram", "make_lexicon"}
    assert not {"tune", "decode"} & readers["train"]
    units = recipe / "units/synthetic_tiny/syllable_phone"
    spoken = {unit for line in _lines(units / "train/text") for unit in line.split()[1:]}
    tokens = set(_lines(units / "tokens.txt")) - {"<blank>", "<unk>", "<sos/eos>"}
    assert tokens == spoken


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _read_config(experiment: Path) -> dict[str, Any]:
    """Return the configuration of a training, with flat options of encoder, model and optimiser."""
    config = yaml.safe_load((experiment / "config.yaml").read_text())
    for section in ("encoder_conf", "encoder_conf.moe_conf", "model_conf", "optim_conf"):
        for key, value in config.pop(section).items():
            config[f"{section}.{key}"] = value
    return config


def _differs(key: str, one: dict[str, Any], other: dict[str, Any]) -> bool:
    return key not in one or key not in other or one[key] != other[key]
