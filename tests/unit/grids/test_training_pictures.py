from dataclasses import replace

from drawings import tooltips, words

from speechmoe_espnet.grids import training_pictures as pictures
from speechmoe_espnet.grids.summary import summarize

SYSTEMS = ("static", "wide", "moe4", "moe8")


def test_losses_have_a_line_a_seed_and_a_mean(summary):
    drawing = pictures.loss_picture(summary)
    titles = tooltips(drawing)
    assert titles.count("moe8, one seed") == 3
    end = summary.systems["moe8"].dev_loss
    assert f"moe8, mean of 3 seeds: {end:.4g} at the end" in titles
    assert set(SYSTEMS) <= set(words(drawing))


def test_losses_are_zoomed(summary):
    ticks = pictures.loss_picture(summary).axes[0].get_ylim()
    curves = [
        run.curve("valid", "loss_ctc") for item in summary.systems.values() for run in item.runs
    ]
    later = [loss for curve in curves for step, loss in curve.items() if step >= 800]
    assert min(later) - 1 < min(ticks)
    assert max(ticks) < max(later) + 1 < min(curve[250] for curve in curves)


def test_rates_are_in_percent(summary):
    titles = tooltips(pictures.rate_picture(summary))
    runs = summary.systems["moe8"].runs
    ends = [list(run.curve("valid", "cer_ctc").values())[-1] for run in runs]
    end = 100 * sum(ends) / len(ends)
    assert 1 < end < 100
    assert f"moe8, mean of 3 seeds: {end:.4g} at the end" in titles


def test_routers_only_of_those_that_have_them(summary):
    shown = set(words(pictures.router_picture(summary)))
    assert {"moe4", "moe8", "router confidence"} <= shown
    assert not {"static", "wide"} & shown


def test_nothing_to_draw(finished_runs):
    static = [run for run in finished_runs if run.system == "static"]
    summary = summarize(static, "static", num_resamples=50)
    assert pictures.router_picture(summary) is None
    bare = [
        replace(
            run,
            outcome=replace(
                run.outcome, epochs=tuple({**e, "valid": {}} for e in run.outcome.epochs)
            ),
        )
        for run in static
    ]
    nothing = summarize(bare, num_resamples=50)
    assert pictures.loss_picture(nothing) is None
    assert pictures.rate_picture(nothing) is None
