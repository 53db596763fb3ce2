"""A grid on one self-contained page: tables first, pictures after."""

from collections.abc import Callable
from html import escape

from speechmoe_espnet.grids.markdown import COST_HEAD, cost_cells, seeds_words, settings_rows
from speechmoe_espnet.grids.pictures import (
    change_picture,
    rate_against_flops,
    rate_against_parameters,
)
from speechmoe_espnet.grids.summary import Rate, Summary, SystemSummary
from speechmoe_espnet.grids.training_pictures import (
    loss_picture,
    rate_picture,
    router_picture,
)
from speechmoe_espnet.report.markup import (
    document,
    facts_table,
    fit,
    heading,
    interval_cells,
    table,
)
from speechmoe_espnet.report.page import SYNTHETIC_NOTE
from speechmoe_espnet.report.svg import element
from speechmoe_espnet.results.comparison import Provenance, short_commit
from speechmoe_espnet.scoring.seeds import SeedInterval
from speechmoe_espnet.system.provenance import machine_words

PICTURES: dict[str, Callable[[Summary], str | None]] = {
    "changes": change_picture,
    "flops": rate_against_flops,
    "parameters": rate_against_parameters,
    "rate": rate_picture,
    "loss": loss_picture,
    "routing": router_picture,
}
"""All pictures, by the name of the file that `scoring.svg.standalone` makes of them."""
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
    metric = summary.metric.upper()
    sections = [
        element("h1", escape(title)),
        element(
            "p",
            escape(
                f"{', '.join(summary.places)} · corpus {corpus} · {seeds_words(summary)} · "
                f"commit {short_commit(provenance.commit)}"
            ),
            class_="faint",
        ),
        _headline(summary),
    ]
    if corpus == "synthetic":
        sections.append(element("div", element("p", SYNTHETIC_NOTE), class_="note"))
    sections += [
        heading(f"{metric} by set", "In percent, mean over seeds ± standard deviation."),
        _rates(summary, lambda system: system.rates),
    ]
    if any(system.unit_rates for system in summary.systems.values()):
        sections += [
            heading("Syllables", "SER in percent, of the best hypothesis as units."),
            _rates(summary, lambda system: system.unit_rates),
        ]
    sections += [heading("Cost and losses", "Means over seeds."), _costs(summary)]
    sections += [heading("Settings", "What the grid set."), _settings(summary)]
    for name, draw in PICTURES.items():
        if drawing := draw(summary):
            sections += [heading(*_EXPLANATIONS[name]), fit(drawing)]
    sections += [heading("How this was made"), _facts(summary, provenance)]
    return document(title, sections)


def _headline(summary: Summary) -> str:
    place, metric = summary.headline, summary.metric.upper()
    head = ["system", f"{metric} % <span class=small>{escape(place)}, 95 % interval</span>"]
    head += ["sd over seeds", "seeds"]
    if summary.compared:
        head += ["errors saved", "verdict"]
    rows = []
    for system in summary.systems.values():
        rate = system.rates[place]
        interval = rate.estimate.interval
        cells = [
            escape(system.name),
            f"{rate.mean:.2f} <span class=small>[{interval.low:.2f}, {interval.high:.2f}]"
            f"{_mark(rate.estimate)}</span>",
            _deviation(rate),
            str(len(system.seeds)),
        ]
        if system.changes:
            change = system.changes[place]
            saved, verdict = interval_cells(change.interval)
            cells += [saved + _mark(change), verdict]
        elif summary.compared:
            cells += ["", "control"]
        rows.append(cells)
    html = table(head, rows)
    estimates = [system.rates[place].estimate for system in summary.systems.values()]
    if any(_mark(item) for item in estimates):
        words = "An asterisk marks intervals of one seed: they cover utterances only."
        html += element("p", words, class_="faint")
    return html


def _rates(summary: Summary, rates_of: Callable[[SystemSummary], dict[str, Rate]]) -> str:
    rows = [
        [
            escape(system.name),
            *(_rate_cell(rate) for rate in rates_of(system).values()),
        ]
        for system in summary.systems.values()
        if rates_of(system)
    ]
    return table(["system", *map(escape, summary.places)], rows)


def _rate_cell(rate: Rate) -> str:
    spread = "" if rate.deviation is None else f" <span class=small>± {_deviation(rate)}</span>"
    return f"{rate.mean:.2f}{spread}"


def _costs(summary: Summary) -> str:
    head = ["system", "parameters", "active", *COST_HEAD]
    rows = [
        [
            escape(system.name),
            f"{system.params_total / 1e6:.2f} M",
            f"{system.params_active / 1e6:.2f} M",
            *cost_cells(system),
        ]
        for system in summary.systems.values()
    ]
    return table(head, rows)


def _settings(summary: Summary) -> str:
    return facts_table(
        [(name, ", ".join(settings) or "-") for name, settings in settings_rows(summary)]
    )


def _facts(summary: Summary, provenance: Provenance) -> str:
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
    return facts_table(rows)


def _deviation(rate: Rate) -> str:
    return "-" if rate.deviation is None else f"{rate.deviation:.2f}"


def _mark(estimate: SeedInterval) -> str:
    return "" if estimate.covers_seeds else " *"
