from dataclasses import replace

import pytest

from speechmoe_espnet.grids.finished import by_system


def test_groups_keep_the_order_and_sort_by_seed(finished_runs):
    groups = by_system(finished_runs[::-1])
    assert list(groups) == ["moe8", "moe4", "wide", "static"]
    assert [run.seed for run in groups["moe4"]] == [1, 2, 3]
    assert groups["moe4"][0].name == "moe4-s1"


def test_losses(finished_runs):
    run = finished_runs[0]
    recorded = [epoch["valid"]["loss_ctc"] for epoch in run.outcome.epochs]
    assert run.dev_loss == min(recorded)
    assert run.train_loss == run.outcome.epochs[-1]["train"]["loss_ctc"]
    assert list(run.curve("train", "loss")) == [250, 500, *range(1000, 2001, 250)]  # one is nan
    assert run.curve("valid", "router_confidence") == {}


def test_losses_that_nobody_recorded(finished_runs):
    epochs = tuple({**epoch, "train": {}, "valid": {}} for epoch in finished_runs[0].outcome.epochs)
    run = replace(finished_runs[0], outcome=replace(finished_runs[0].outcome, epochs=epochs))
    assert run.dev_loss is None
    assert run.train_loss is None


def test_no_runs():
    with pytest.raises(ValueError, match="no finished runs"):
        by_system([])


def test_a_seed_twice(finished_runs):
    with pytest.raises(ValueError, match=r"system static: a seed occurs twice: \[1, 1\]"):
        by_system([finished_runs[0], finished_runs[0]])


def test_other_settings(finished_runs):
    other = replace(finished_runs[1], settings={"encoder_conf.num_experts": 2})
    with pytest.raises(ValueError, match=r"static-s1 has the settings .* static-s2"):
        by_system([finished_runs[0], other])


def test_other_sets(finished_runs):
    outcome = finished_runs[1].outcome
    fewer = replace(outcome, sets={"read": outcome.sets["read"]})
    with pytest.raises(ValueError, match=r"static-s1 was scored on .* static-s2 on \['read'\]"):
        by_system([finished_runs[0], replace(finished_runs[1], outcome=fewer)])


def test_other_references(finished_runs):
    outcome = finished_runs[4].outcome
    first, *rest = outcome.sets["chat"].utterances
    changed = replace(
        outcome.sets["chat"], utterances=(replace(first, ref=first.ref + "好"), *rest)
    )
    other = replace(outcome, sets={**outcome.sets, "chat": changed})
    with pytest.raises(ValueError, match=rf"set chat: systems static-s1 and wide-s2.*{first.utt}"):
        by_system([finished_runs[0], replace(finished_runs[4], outcome=other)])
