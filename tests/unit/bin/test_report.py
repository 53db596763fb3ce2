import base64
import io
import json
import re
import shutil
import subprocess
import sys

import fake_experiment
import numpy as np
import pytest
import soundfile

from speechmoe_espnet.bin import report
from speechmoe_espnet.data.table import read_table, write_table
from speechmoe_espnet.results.validation import validate_results

SETS = ("read", "chat")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("report") / "synthetic"
    fake_experiment.make_references(root / "dump", SETS, num_utts=8)
    for name, num_experts in (("static", 1), ("moe", 4)):
        fake_experiment.make_experiment(
            root / name, root / "dump", SETS, error_rate=0.2, num_experts=num_experts
        )
    return root


@pytest.fixture
def run(root, tmp_path):
    def call(*more, systems=("static", "moe"), sets=SETS):
        words = [word for name in systems for word in ("--system", f"{name}={root / name}")]
        return report.main([*words, "--sets", *sets, "--output_dir", str(tmp_path / "out"), *more])

    return call


def test_report_of_two_systems(run, tmp_path, capsys):
    assert run("--control", "static", "--candidate", "moe", "--meta", "seconds_total=12.5") == 0
    results = json.loads((tmp_path / "out/results.json").read_text())
    validate_results(results)
    assert (results["seed"], results["seconds_total"]) == (7, 12.5)
    assert results["meta"] == {}
    out = capsys.readouterr().out
    assert out == (tmp_path / "out/table.txt").read_text()
    assert "moe against static" in out
    page = (tmp_path / "out/index.html").read_text()
    assert "corpora behind these figures are synthetic" in page


def test_tiny_gives_no_verdicts(run, tmp_path, capsys):
    """Every word that judges is gone; the same systems get some otherwise."""
    words = ("better", "worse", "verdict", "no difference shown", "errors saved", "Relative change")
    compared = ("--control", "static", "--candidate", "moe")

    def said(preset):
        assert run(*compared, "--meta", f"preset={preset}") == 0
        page = (tmp_path / "out/index.html").read_text().partition("<body")[2]
        return page, capsys.readouterr().out.replace("lower is better", "")

    for text in said("tiny"):
        assert [word for word in words if word in text] == []
        assert "only shows that all works" in " ".join(text.split())
    for text in said("small"):
        assert [word for word in words if word in text] != []
        assert "only shows that all works" not in " ".join(text.split())


def test_same_input_same_bytes(run, tmp_path):
    def files():
        assert run("--control", "static", "--candidate", "moe") == 0
        return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    assert files() == files()


def test_report_of_one_system(run, tmp_path):
    assert run("--seed", "3", "--corpus", "aishell", "--meta", "preset=x", systems=["moe"]) == 0
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert (results["seed"], results["relative_change"]) == (3, {})
    assert results["meta"] == {"preset": "x"}
    assert "corpora behind these figures" not in (tmp_path / "out/index.html").read_text()


@pytest.mark.parametrize(
    ("more", "options", "words"),
    [
        (["--control", "static"], {}, "belong together"),
        (["--control", "moe", "--candidate", "moe"], {}, "same system, moe"),
        (["--control", "x", "--candidate", "moe"], {}, "x is not among the systems static, moe"),
        (["--meta", "seed"], {}, "--meta: expected NAME=VALUE, got 'seed'"),
        (["--meta", "seed=one"], {}, "--seed: expected int, got 'one'"),
        (["--seed", "1", "--meta", "seed=1"], {}, "--seed is given twice"),
        (["--decode", "wfst"], {}, "system static: no file"),
        (["--decode", "moe=wfst"], {}, "system moe: no file"),
        (["--decode", "other=wfst"], {}, "other is no --system; those are static, moe"),
        (["--decode", "moe=wfst", "--decode", "moe=x"], {}, "--decode: moe is given twice"),
        (["--decode", "wfst", "--decode", "x"], {}, "wfst and x are given for all systems"),
        ([], {"systems": ["moe", "moe"]}, "moe is given twice"),
        (["--system", "a b=/x"], {}, "got 'a b'"),
        ([], {"sets": ["read", "spon"]}, "spon/score/cer.json"),
        ([], {"sets": ["read", "read"]}, "a set is given twice"),
        ([], {"sets": ["total"]}, "rename the set"),
    ],
)
def test_mistakes_are_named_and_write_nothing(run, tmp_path, capsys, more, options, words):
    assert run(*more, **options) == 1
    error = capsys.readouterr().err
    assert error.startswith("report: error: ")
    assert words in error
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def wfst_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("report") / "synthetic"
    fake_experiment.make_references(root / "dump", SETS, num_utts=8)
    weights = {"lm_weight": 0.8, "insertion_bonus": 0.5}
    for name, in_units in (("moe", True), ("without", False)):
        fake_experiment.make_experiment(
            root / name,
            root / "dump",
            SETS,
            error_rate=0.2,
            decode="wfst",
            decoding={"method": "wfst", **weights, "tuned": weights},
            in_units=in_units,
        )
    return root


def test_report_of_units_and_settings(wfst_root, tmp_path, capsys):
    def call():
        systems = [f"{name}={wfst_root / name}" for name in ("moe", "without")]
        words = [word for system in systems for word in ("--system", system)]
        out = ["--decode", "wfst", "--sets", *SETS, "--output_dir", str(tmp_path / "out")]
        return report.main([*words, *out])

    assert call() == 0
    results = json.loads((tmp_path / "out/results.json").read_text())
    validate_results(results)
    assert results["systems"]["moe"]["ser"]["total"]["num_utts"] == 16
    assert results["systems"]["without"]["ser"] is None
    assert results["systems"]["without"]["decoding"]["origin"] == "tuned on dev"
    table = capsys.readouterr().out
    assert "SER in % (syllables and phones)" in table
    assert "tuned on dev" in table
    page = (tmp_path / "out/index.html").read_text()
    assert "<h2>Syllables</h2>" in page
    assert "taken for another one, by the part that differs" in page

    missing = wfst_root / "moe/decode_wfst/chat/score_ser"
    missing.rename(missing.with_name("kept"))
    try:
        assert call() == 1
        assert f"system moe: no file {missing / 'cer.json'}" in capsys.readouterr().err
    finally:
        missing.with_name("kept").rename(missing)


def test_systems_by_decodings_of_their_own(wfst_root, tmp_path):
    moved = tmp_path / "synthetic/before"
    shutil.copytree(wfst_root / "without", moved)
    (moved / "decode_wfst").rename(moved / "decode_of_model")
    systems = ["--system", f"moe={wfst_root / 'moe'}", "--system", f"before={moved}"]
    words = ["--decode", "wfst", "--decode", "before=of_model", "--control", "before"]
    words += ["--candidate", "moe", "--sets", *SETS, "--output_dir", str(tmp_path / "out")]
    assert report.main([*systems, *words]) == 0
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert set(results["systems"]) == {"moe", "before"}


def test_seed_must_be_known(run, root, capsys):
    config = root / "static/config.yaml"
    text = config.read_text()
    try:
        config.unlink()
        assert run() == 1
        assert "give the seed of the run by --seed" in capsys.readouterr().err
        config.write_text("batch_size: 1\n")
        assert run() == 1
        assert "no seed" in capsys.readouterr().err
    finally:
        config.write_text(text)


def test_start_is_quick():
    code = (
        "import sys, speechmoe_espnet.bin.report, speechmoe_espnet.bin.score;"
        "print([name for name in ('torch', 'espnet2', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def audio_dir(root, tmp_path):
    """A data directory a set, with half a second of a tone for each utterance."""
    data = tmp_path / "data"
    data.mkdir()
    soundfile.write(data / "tone.wav", 0.3 * np.sin(0.2 * np.arange(8000)), 16000)
    for name in SETS:
        text = read_table(root / "dump" / name / "text")
        (data / name).mkdir()
        for file in ("text", "utt2spk"):
            shutil.copy(root / "dump" / name / file, data / name)
        write_table(data / name / "wav.scp", dict.fromkeys(text, str(data / "tone.wav")))
    return data


def test_the_page_plays_the_worst_utterances(run, tmp_path, audio_dir, capsys):
    assert run("--audio_dir", str(audio_dir)) == 0
    assert capsys.readouterr().err == ""
    page = (tmp_path / "out/index.html").read_text()
    addresses = re.findall(r'<audio [^>]*src="data:audio/mpeg;base64,([^"]*)"', page)
    assert len(addresses) == 10
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(addresses[0])))
    assert (rate, samples.ndim) == (16000, 1)
    assert abs(samples).max() > 0.2


def test_recordings_that_are_gone_cost_a_warning(run, tmp_path, audio_dir, capsys):
    shutil.rmtree(audio_dir / "chat")
    assert run("--audio_dir", str(audio_dir)) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("report: warning: no player for chat: no data directory")
    assert (tmp_path / "out/index.html").read_text().count("<audio") == 5


def test_utterances_that_were_left_out_are_counted_and_listed(root, run, tmp_path, capsys):
    dump = tmp_path / "dump"
    for name, lines in (("train", "u1 is cut\nu2 <no> audio\n"), (SETS[0], "")):
        (dump / name).mkdir(parents=True)
        (dump / name / "left_out").write_text(lines)
        shutil.copy(root / "dump" / SETS[0] / "text", dump / name)
    assert run("--feature_dir", str(dump)) == 0
    assert "left out of train: 2 of 10 utterances (20.0 %)" in capsys.readouterr().out
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert results["left_out"] == {"train": 2, SETS[0]: 0}
    page = (tmp_path / "out/index.html").read_text()
    assert "train: 2 of 10 utterances (20.0 %)" in page
    assert "u2</td><td>&lt;no&gt; audio" in page
    assert run() == 0
    assert "Left out" not in (tmp_path / "out/index.html").read_text()
    assert run("--feature_dir", str(tmp_path / "none")) == 1
    assert "no directory" in capsys.readouterr().err
