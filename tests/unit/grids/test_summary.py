import json
from dataclasses import replace

import numpy as np
import pytest

from speechmoe_espnet.grids.summary import summarize


def test_rates_are_means_over_seeds(summary, finished_runs):
    runs = [run for run in finished_runs if run.system == "moe8"]
    system = summary.systems["moe8"]
    for place in ("read", "chat"):
        rates = [run.outcome.sets[place].counts.cer for run in runs]
        assert system.rates[place].by_seed == pytest.approx(dict(enumerate(rates, start=1)))
        assert system.rates[place].mean == pytest.approx(np.mean(rates))
        assert system.rates[place].deviation == pytest.approx(np.std(rates, ddof=1))
    totals = [run.outcome.total for run in runs]
    assert system.rates["total"].mean == pytest.approx(np.mean([item.cer for item in totals]))
    assert system.rates["total"].num_chars == totals[0].num_chars
    assert system.rates["total"].num_utts == 40
    in_units = [run.outcome.syllable_counts["total"].cer for run in runs]
    assert system.unit_rates["total"].mean == pytest.approx(np.mean(in_units))


def test_changes_are_those_of_the_means(summary):
    assert summary.places == ["read", "chat", "total"]
    assert summary.headline == "total"
    assert [system.name for system in summary.compared] == ["wide", "moe4", "moe8"]
    assert summary.systems["static"].changes == {}
    for system in summary.compared:
        for place, change in system.changes.items():
            control = summary.systems["static"].rates[place].mean
            saved = (control - system.rates[place].mean) / control
            assert change.interval.mean == pytest.approx(saved)
            assert change.interval.low < saved < change.interval.high
            assert change.num_seeds == (3, 3)
    assert summary.systems["moe8"].changes["total"].interval.verdict == "better"


def test_cost_and_settings(summary):
    system = summary.systems["moe8"]
    assert system.settings == {"encoder_conf.num_experts": 8, "encoder_conf.router": "speechmoe"}
    assert (system.params_total, system.params_active, system.flops) == (
        5 * 230_000,
        230_000,
        31_000_000,
    )
    assert (system.steps, system.seeds) == (2000, (1, 2, 3))
    assert system.seconds_training == pytest.approx(8 * 33.5)
    assert system.dev_loss == pytest.approx(np.mean([run.dev_loss for run in system.runs]))
    assert system.commits == ("unknown",)


def test_json_holds_it(summary):
    fields = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert fields["control"] == "static"
    change = fields["systems"]["moe4"]["relative_change"]["total"]
    assert set(change) == {"mean", "low", "high", "num_seeds", "covers_seeds"}
    assert fields["systems"]["moe4"]["rates"]["read"]["by_seed"].keys() == {"1", "2", "3"}


def test_one_set_and_one_seed(finished_runs):
    runs = [
        replace(run, outcome=replace(run.outcome, sets={"read": run.outcome.sets["read"]}))
        for run in finished_runs
        if run.seed == 1
    ]
    summary = summarize(runs, "static", num_resamples=100)
    assert summary.places == ["read"]
    assert summary.headline == "read"
    rate = summary.systems["moe4"].rates["read"]
    assert rate.deviation is None
    assert not rate.estimate.covers_seeds
    assert not summary.systems["moe4"].changes["read"].covers_seeds


def test_the_order_of_systems_and_the_others_do_not_matter(finished_runs, summary):
    some = [run for run in finished_runs if run.system in ("moe8", "static")]
    again = summarize(some[::-1], "static", num_resamples=1000)
    assert again.systems["moe8"].changes == summary.systems["moe8"].changes


def test_no_units_where_a_run_lacks_them(finished_runs):
    sets = {
        name: replace(item, syllables=None) for name, item in finished_runs[0].outcome.sets.items()
    }
    runs = [replace(finished_runs[0], outcome=replace(finished_runs[0].outcome, sets=sets))]
    summary = summarize([*runs, *finished_runs[1:]], num_resamples=100)
    assert summary.systems["static"].unit_rates == {}
    assert list(summary.systems["wide"].unit_rates) == ["read", "chat", "total"]
    assert summary.compared == []


def test_a_control_without_runs(finished_runs):
    with pytest.raises(ValueError, match=r"got 'statik'; those are static, wide, moe4, moe8"):
        summarize(finished_runs, "statik")
