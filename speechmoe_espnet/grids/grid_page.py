"""A grid on one self-contained page: tables first, pictures after."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from speechmoe_espnet.grids.markdown import seeds_words, settings_rows
from speechmoe_espnet.grids.pictures import (
    change_picture,
    rate_against_flops,
    rate_against_parameters,
)
from speechmoe_espnet.grids.summary import Rate, Summary, SystemSummary
from speechmoe_espnet.grids.table_cells import COST_HEAD, cost_rows, rate_words
from speechmoe_espnet.grids.training_pictures import (
    loss_picture,
    rate_picture,
    router_picture,
)
from speechmoe_espnet.report.figure import inline_svg
from speechmoe_espnet.report.pages import (
    SYNTHETIC_NOTE,
    Cell,
    Chart,
    Table,
    interval_cells,
    render,
)
from speechmoe_espnet.results.comparison import Provenance, short_commit
from speechmoe_espnet.scoring.seeds import SeedInterval
from speechmoe_espnet.system.provenance import machine_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES: "dict[str, Callable[[Summary], Figure | None]]" = {
    "changes": change_picture,
    "flops": rate_against_flops,
    "parameters": rate_against_parameters,
    "rate": rate_picture,
    "loss": loss_picture,
    "routing": router_picture,
}
"""All charts, by the name of the file that is made of them."""
_EXPLANATIONS = {
    "changes": (
        "Relative change by set",
        "Share of the control's errors that a system saves, with 95 % intervals; coloured ones "
        "exclude zero. An arrow marks an interval that goes on, an asterisk one of a single seed.",
    ),
    "flops": ("Error rate and computation", "FLOPs of a whole system a second of audio."),
    "parameters": ("Error rate and size", "All parameters, of all experts, too."),
    "rate": (
        "Error rate in training",
        "Units of each epoch's parameters, by greedy search without a language model. The vertical "
        "axis holds what lies behind the first 40 % of the steps.",
    ),
    "loss": ("Loss in training", "The vertical axis is as above."),
    "routing": (
        "Routers",
        "On dev, means over MoE layers and seeds. Entropy 1: every expert gets as many frames.",
    ),
}
_INTERVALS = (
    "percentiles of 10,000 draws: utterances resampled, the same ones for all runs, each set on "
    "its own; the seeds' part, beyond what runs differ on single utterances, from Student's "
    "distribution"
)


def build_page(summary: Summary, provenance: Provenance, *, title: str, corpus: str) -> str:
    """Write the page.

    Args:
        summary: The systems.
        provenance: How they came about; `meta` holds the command.
        title: What stands on top, plain text.
        corpus: Name of the corpus; `synthetic` adds a note that says so.

    Returns:
        HTML.
    """
    charts = [
        Chart(*_EXPLANATIONS[name], inline_svg(figure))
        for name, draw in PICTURES.items()
        if (figure := draw(summary))
    ]
    estimates = [system.rates[summary.headline].estimate for system in summary.systems.values()]
    in_units = any(system.unit_rates for system in summary.systems.values())
    return render(
        "grid.html.j2",
        title=title,
        subtitle=f"{', '.join(summary.places)} · corpus {corpus} · {seeds_words(summary)} · "
        f"commit {short_commit(provenance.commit)}",
        metric=summary.metric.upper(),
        headline=_headline(summary),
        single_seeds=any(_mark(item) for item in estimates),
        synthetic_note=SYNTHETIC_NOTE if corpus == "synthetic" else None,
        rates=_rates(summary, lambda system: system.rates),
        unit_rates=_rates(summary, lambda system: system.unit_rates) if in_units else None,
        costs=Table(COST_HEAD, cost_rows(summary)),
        settings=[(name, ", ".join(settings) or "-") for name, settings in settings_rows(summary)],
        charts=charts,
        facts=_facts(summary, provenance),
    )


def _headline(summary: Summary) -> Table:
    place, metric = summary.headline, summary.metric.upper()
    head: list[str | Cell] = ["system", Cell(f"{metric} %", f"{place}, 95 % interval")]
    head += ["sd over seeds", "seeds"]
    if summary.compared:
        head += ["errors saved", "verdict"]
    rows = []
    for system in summary.systems.values():
        rate = system.rates[place]
        interval = rate.estimate.interval
        ends = f"[{interval.low:.2f}, {interval.high:.2f}]{_mark(rate.estimate)}"
        cells: list[str | Cell] = [
            system.name,
            Cell(f"{rate.mean:.2f}", ends),
            _deviation(rate),
            str(len(system.seeds)),
        ]
        if system.changes:
            change = system.changes[place]
            cells += interval_cells(change.interval, _mark(change))
        elif summary.compared:
            cells += ["", "control"]
        rows.append(cells)
    return Table(head, rows)


def _rates(summary: Summary, rates_of: Callable[[SystemSummary], dict[str, Rate]]) -> Table:
    rows: list[list[str | Cell]] = [
        [system.name, *(Cell(*rate_words(rate)) for rate in rates_of(system).values())]
        for system in summary.systems.values()
        if rates_of(system)
    ]
    return Table(["system", *summary.places], rows)


def _facts(summary: Summary, provenance: Provenance) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [*provenance.meta.items(), ("seed", provenance.seed)]
    rows.append(("commit of this page", provenance.commit))
    if provenance.seconds_total is not None:
        rows.append(("time of the whole run", f"{provenance.seconds_total / 60:.1f} min"))
    rows.append(("machine", machine_words(provenance.machine)))
    rows.append(("versions", ", ".join(f"{k} {v}" for k, v in provenance.versions.items())))
    rows += [
        (
            f"system {name}",
            f"{', '.join(run.name for run in system.runs)}; trained by "
            f"{', '.join(map(short_commit, system.commits))}",
        )
        for name, system in summary.systems.items()
    ]
    rows.append(("intervals", _INTERVALS))
    return rows


def _deviation(rate: Rate) -> str:
    return "-" if rate.deviation is None else f"{rate.deviation:.2f}"


def _mark(estimate: SeedInterval) -> str:
    return "" if estimate.covers_seeds else " *"
