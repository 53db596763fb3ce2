import json
import shutil

import numpy as np
import pytest

from speechmoe_espnet.results.routing import RoutingExample
from speechmoe_espnet.results.trained_system import check_comparable, load_system


@pytest.fixture
def copy(experiments, tmp_path):
    shutil.copytree(experiments / "speechmoe", tmp_path / "exp")
    return tmp_path / "exp"


def load(directory, sets=("read",)):
    return load_system("moe", directory, "ctc_greedy", sets)


def test_a_system_is_read(systems):
    static, _, moe = systems
    assert static.steps == 2000
    assert static.seconds_training == pytest.approx(8 * 33.5)
    assert static.rtf == pytest.approx(0.005)
    assert static.total.num_utts == sum(item.counts.num_utts for item in static.sets.values())
    assert static.sets["read"].routing is None
    assert static.sets["read"].example is None
    assert len(moe.sets["read"].routing.layers) == 4
    assert moe.sets["chat"].example.expert.shape[0] == 4


@pytest.mark.parametrize(
    "missing",
    [
        "train_stats.jsonl",
        "decode_ctc_greedy/model.json",
        "decode_ctc_greedy/read/rtf.json",
        "decode_ctc_greedy/read/score/cer.json",
        "decode_ctc_greedy/read/score/utts.jsonl",
    ],
)
def test_a_missing_file_is_named(copy, missing):
    (copy / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"system moe: no file .*{missing}"):
        load(copy)


def test_a_missing_set_is_named(copy):
    with pytest.raises(FileNotFoundError, match=r"no file .*meeting/score/cer\.json"):
        load(copy, ("read", "meeting"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train_stats.jsonl", "", "no epochs"),
        ("train_stats.jsonl", "{", "train_stats.jsonl:1: not JSON"),
        ("train_stats.jsonl", '{"epoch": 1}', "train_stats.jsonl:1: lacks steps, seconds, train"),
        ("decode_ctc_greedy/model.json", "[]", "expected an object, got list"),
        ("decode_ctc_greedy/model.json", "{}", "lacks params_total"),
        (
            "decode_ctc_greedy/read/rtf.json",
            '{"seconds_audio": 0, "seconds_decode": 1}',
            "positive",
        ),
        ("decode_ctc_greedy/read/score/utts.jsonl", "{}\n", "utts.jsonl:1: expected the keys"),
        ("decode_ctc_greedy/read/score/utts.jsonl", "", "score again"),
        ("decode_ctc_greedy/read/routing.json", "{}", "lacks layers"),
        ("decode_ctc_greedy/read/routing.json", '{"layers": []}', "no layers"),
        (
            "decode_ctc_greedy/read/routing.json",
            '{"layers": [{"load": [0.5], "confidence": 1, "entropy": 0}]}',
            "layer 0: the shares of the experts must sum to 1, got 0.5",
        ),
    ],
)
def test_a_bad_file_is_named(copy, name, content, words):
    (copy / name).write_text(content)
    with pytest.raises(ValueError, match=f"system moe: .*{words}"):
        load(copy)


def test_a_parameter_count_must_be_positive(copy):
    path = copy / "decode_ctc_greedy/model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "params_active": 0}))
    with pytest.raises(ValueError, match="params_active must be a positive number, got 0"):
        load(copy)


def test_the_last_record_of_an_epoch_counts(copy):
    path = copy / "train_stats.jsonl"
    record = json.loads(path.read_text().splitlines()[-1])
    path.write_text(path.read_text() + json.dumps({**record, "seconds": 1.0}) + "\n")
    assert load(copy).seconds_training == pytest.approx(7 * 33.5 + 1.0)


def test_share_of_waiting_is_over_all_epochs(copy):
    path = copy / "train_stats.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert load(copy).share_waiting == pytest.approx(0.15 / 30)
    records[0] |= {"seconds_train": 90.0, "seconds_waiting": 45.0}
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert load(copy).share_waiting == pytest.approx((45 + 7 * 0.15) / (90 + 7 * 30))


def test_share_of_waiting_may_not_be_recorded(copy):
    path = copy / "train_stats.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    del records[3]["seconds_waiting"]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert load(copy).share_waiting is None


def test_routing_is_optional(copy):
    for path in copy.glob("decode_ctc_greedy/read/routing*"):
        path.unlink()
    assert load(copy).sets["read"].routing is None


def test_the_commit_is_the_one_of_the_training(copy):
    assert load(copy).commit == "unknown"
    (copy / ".done.json").write_text('{"digest": "x"}')
    assert load(copy).commit == "unknown"
    (copy / ".done.json").write_text('{"commit": "abc-dirty"}')
    assert load(copy).commit == "abc-dirty"


def test_metrics_must_agree(copy):
    path = copy / "decode_ctc_greedy/read/score/cer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "metric": "ser"}))
    with pytest.raises(ValueError, match="different metrics"):
        load(copy, ("read", "chat"))
    with pytest.raises(ValueError, match="same metric"):
        check_comparable([load(copy, ("chat",)), load(copy)])


def test_other_references_are_named(copy, systems):
    path = copy / "decode_ctc_greedy/read/score/utts.jsonl"
    lines = path.read_text().splitlines()
    first = json.loads(lines[0])
    changed = {**first, "ref": "好" * first["num_chars"]}
    path.write_text("\n".join([json.dumps(changed), *lines[1:]]))
    with pytest.raises(ValueError, match=f"set read: .* in 1 utterances: {first['utt']};"):
        check_comparable([systems[0], load(copy)])


def test_routing_example_shapes(tmp_path, systems):
    example = systems[2].sets["read"].example
    good = {name: getattr(example, name) for name in example.__dataclass_fields__}
    path = tmp_path / "x.npz"
    np.savez(path, **{**good, "prob": example.prob[:, 1:]})
    with pytest.raises(ValueError, match=r"x.npz: shapes disagree"):
        RoutingExample.load(path)
    del good["utt"]
    np.savez(path, **good)
    with pytest.raises(ValueError, match="lacks an array"):
        RoutingExample.load(path)


def test_spikes_join_repeats_and_runs_cover_all_frames():
    example = RoutingExample(
        utt="u",
        feats=np.zeros((18, 40), np.float32),
        expert=np.array([[1, 1, 0, 0, 0, 2]]),
        prob=np.array([[0.5, 0.7, 1, 1, 1, 0.25]], np.float32),
        units=("", "好", "好", "", "好", "人"),
        subsampling=3,
    )
    assert example.spikes() == [(1, "好"), (4, "好"), (5, "人")]
    runs = example.runs(0)
    assert [run[:3] for run in runs] == [(0, 2, 1), (2, 5, 0), (5, 6, 2)]
    assert [run[3] for run in runs] == pytest.approx([0.6, 1.0, 0.25])


@pytest.fixture
def in_units(decoded_experiments, tmp_path):
    shutil.copytree(decoded_experiments / "wfst", tmp_path / "wfst")
    return tmp_path / "wfst"


def load_wfst(directory):
    return load_system("wfst", directory, "wfst", ("read", "chat"))


def test_units_are_read_beside_characters(decoded_systems):
    greedy, _, wfst, _ = decoded_systems
    assert greedy.syllable_counts == {}
    assert greedy.sets["read"].syllable_counts is None
    assert list(wfst.syllable_counts) == ["read", "chat", "total"]
    total = wfst.syllable_counts["total"]
    assert total.num_chars == wfst.total.num_chars
    assert total.num_chars == sum(item.syllable_counts.num_chars for item in wfst.sets.values())
    assert 0 < total.cer < wfst.total.cer


def test_a_set_that_was_not_scored_in_units_is_named(in_units):
    shutil.rmtree(in_units / "decode_wfst/chat/score_ser")
    words = r"system wfst: no file .*chat/score_ser/cer\.json, but read were scored in units"
    with pytest.raises(FileNotFoundError, match=words):
        load_wfst(in_units)


def test_a_score_in_units_without_its_file_is_named(in_units):
    for name in ("read", "chat"):
        (in_units / f"decode_wfst/{name}/score_ser/cer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"system wfst: no file .*read/score_ser/cer\.json"):
        load_wfst(in_units)


def test_units_must_be_scored_as_units(in_units):
    path = in_units / "decode_wfst/chat/score_ser/cer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "metric": "cer"}))
    with pytest.raises(ValueError, match=r"chat/score_ser/cer.json: metric must be ser, got 'cer'"):
        load_wfst(in_units)


def test_both_scores_must_hold_the_same_utterances(in_units):
    score = in_units / "decode_wfst/chat/score_ser"
    lines = (score / "utts.jsonl").read_text().splitlines()
    dropped = json.loads(lines.pop())
    (score / "utts.jsonl").write_text("".join(line + "\n" for line in lines))
    fields = json.loads((score / "cer.json").read_text())
    fields["num_utts"] -= 1
    fields["num_chars"] -= dropped["num_chars"]
    (score / "cer.json").write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=r"score_ser: holds other utterances than .*chat/score;"):
        load_wfst(in_units)


def test_other_references_in_units_are_named(in_units, decoded_systems):
    path = in_units / "decode_wfst/read/score_ser/utts.jsonl"
    lines = path.read_text().splitlines()
    first = json.loads(lines[0])
    path.write_text("\n".join([json.dumps({**first, "ref": "sy0 sy0"}), *lines[1:]]))
    changed = load_wfst(in_units)
    greedy, old, _, tuned = decoded_systems
    check_comparable([greedy, changed, old])
    with pytest.raises(
        ValueError, match=f"set read, in units: systems tuned and wfst .*{first['utt']};"
    ):
        check_comparable([greedy, tuned, changed])


def test_a_model_that_was_trained_elsewhere_has_no_epochs(copy):
    (copy / "train_stats.jsonl").unlink()
    (copy / "origin.json").write_text("{}")
    system = load(copy)
    assert (system.epochs, system.steps, system.seconds_training) == ((), 0, 0)
    assert system.share_waiting is None
