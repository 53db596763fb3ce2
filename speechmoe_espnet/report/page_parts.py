"""Sections of the report that are tables, sentences and lists of charts."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from speechmoe_espnet.report.listing import worst_first
from speechmoe_espnet.report.markup import (
    facts_table,
    interval_cells,
    legend,
    table,
    verdict_span,
)
from speechmoe_espnet.report.plots import Series, heat_map, line_chart
from speechmoe_espnet.report.svg import element
from speechmoe_espnet.results.comparison import Comparison, curves, percent_waiting
from speechmoe_espnet.results.system import System
from speechmoe_espnet.scoring.cer import Counts, Pair, align
from speechmoe_espnet.system.provenance import machine_words

_NUM_COLOURS = 6
_LOSS_CHARTS = {"loss_ctc": "CTC loss", "loss_att": "attention loss", "loss": "total loss"}
_ROUTER_CHARTS = {
    "router_confidence": "router confidence",
    "expert_load_max": "largest expert's share",
    "expert_load_min": "smallest expert's share",
    "expert_load_entropy": "entropy of the load",
    "loss_sparsity": "sparsity loss",
    "loss_importance": "importance loss",
    "loss_embedding": "embedding network's loss",
}


def system_colours(systems: Sequence[System], comparison: Comparison | None) -> dict[str, str]:
    """Give each system a colour; control and candidate are always the same two."""
    fixed = (comparison.control, comparison.candidate) if comparison else ()
    rest = [system.name for system in systems if system.name not in fixed]
    order = [*fixed, *rest]
    return {system.name: f"var(--c{order.index(system.name) % _NUM_COLOURS})" for system in systems}


def comparison_sentence(comparison: Comparison, metric: str) -> str:
    """Say the result in one sentence."""
    total = comparison.total
    names = f"{escape(comparison.candidate)} against {escape(comparison.control)}"
    words = {
        "better": f"{100 * total.mean:.1f} % fewer errors",
        "worse": f"{-100 * total.mean:.1f} % more errors",
        "no difference shown": "no difference shown",
    }[total.verdict]
    ends = f"{100 * total.low:+.1f} % to {100 * total.high:+.1f} %"
    return element(
        "p",
        f"Over all sets, {names}: {verdict_span(total.verdict, words)} "
        f"(relative change of {metric} {100 * total.mean:+.1f} %, 95 % interval {ends}; "
        "positive is better).",
        class_="verdict",
    )


def headline_table(
    systems: Sequence[System], results: Mapping[str, Any], comparison: Comparison | None
) -> str:
    """Write error rates by set and system, with the comparison beside them."""
    metric = systems[0].metric.upper()
    head = ["set"]
    head += [f"{escape(system.name)} <span class=small>{metric} %</span>" for system in systems]
    if comparison:
        head += ["errors saved", "verdict"]
    head += ["utterances", "characters" if metric == "CER" else "syllables"]
    rows = []
    for name, outcome in systems[0].sets.items():
        cells = [escape(name)]
        for system in systems:
            interval = results["systems"][system.name]["cer_interval"][name]
            half = (interval["high"] - interval["low"]) / 2
            rate = system.sets[name].counts.cer
            cells.append(f"{rate:.2f} <span class=small>±{half:.2f}</span>")
        if comparison:
            cells += interval_cells(comparison.by_set[name])
        rows.append(cells + _size_cells(outcome.counts))
    cells = ["total", *(f"{system.total.cer:.2f}" for system in systems)]
    if comparison:
        cells += interval_cells(comparison.total)
    rows.append(cells + _size_cells(systems[0].total))
    return table(head, rows, class_="headline")


def cost_table(systems: Sequence[System]) -> str:
    """Write what each system costs."""
    head = [
        "system",
        "parameters",
        "active",
        "MFLOPs / s of audio",
        "without embedding network",
        "steps",
        "training",
        "of it waiting for data",
        "RTF",
    ]
    rows = [
        [
            escape(system.name),
            f"{system.model['params_total'] / 1e6:.2f} M",
            f"{system.model['params_active'] / 1e6:.2f} M",
            f"{system.model['flops_per_second_of_audio'] / 1e6:.1f}",
            f"{system.model['flops_without_embedding_network'] / 1e6:.1f}",
            str(system.steps),
            f"{system.seconds_training / 60:.1f} min",
            percent_waiting(system.share_waiting),
            f"{system.rtf:.4f}",
        ]
        for system in systems
    ]
    return table(head, rows)


def training_charts(systems: Sequence[System], colours: Mapping[str, str]) -> str:
    """Draw what training recorded: losses of all systems, and the routers where there are any."""
    recorded = {system.name: curves(system) for system in systems}
    html = ""
    for charts in (_LOSS_CHARTS, _ROUTER_CHARTS):
        panels = []
        for key, title in charts.items():
            series = [
                Series(f"{name}, {part}", colours[name], curve["steps"], curve[part][key], dashed)
                for name, curve in recorded.items()
                for part, dashed in (("train", True), ("valid", False))
                if key in curve[part]
            ]
            if series:
                panels.append(line_chart(title, series, "step"))
        if panels:
            html += element("div", "".join(panels), class_="panels")
    return legend(colours, with_dashes=True) + html


def expert_loads(system: System) -> str:
    """Draw the load of the experts, a heat map a set."""
    maps = [
        heat_map(
            name,
            [layer.load for layer in outcome.routing.layers],
            [layer.confidence for layer in outcome.routing.layers],
        )
        for name, outcome in system.sets.items()
        if outcome.routing
    ]
    return element("div", "".join(maps), class_="panels")


def worst_errors(systems: Sequence[System], shown_first: str, num_worst: int) -> str:
    """List the utterances with the most errors of one system, beside what the others made."""
    order = sorted(systems, key=lambda system: system.name != shown_first)
    separator = "" if systems[0].metric == "cer" else " "
    legend_html = (
        "<p class=faint><span class=e-sub>substituted</span> "
        "<span class=e-del>deleted</span> <span class=e-ins>inserted</span></p>"
    )
    html = ""
    for index, set_name in enumerate(systems[0].sets):
        by_utt = {
            system.name: {item.utt: item for item in system.sets[set_name].utterances}
            for system in order
        }
        items = ""
        for worst in worst_first(order[0].sets[set_name].utterances)[:num_worst]:
            rows = element("dt", "reference") + element("dd", escape(worst.ref))
            for system in order:
                item = by_utt[system.name][worst.utt]
                pairs = align([item.ref], [item.hyp], system.metric)[0]
                rows += element("dt", f"{escape(system.name)}, {item.num_errors}")
                rows += element("dd", separator.join(map(_diff_span, pairs)))
            title = f"{worst.utt}, {worst.num_errors} errors in {worst.num_chars}"
            items += element(
                "div",
                element("div", escape(title), class_="faint") + element("dl", rows),
                class_="utt",
            )
        summary = element("summary", escape(set_name))
        content = summary + (items or element("p", "No errors."))
        html += element("details", content, **({"open": ""} if index == 0 else {}))
    return legend_html + html


def facts(results: Mapping[str, Any], systems: Sequence[System]) -> str:
    """List commands, seed, versions, commit and machine."""
    rows = [(key, value) for key, value in results["meta"].items()]
    rows += [("seed", results["seed"]), ("commit of this report", results["commit"])]
    if results["seconds_total"] is not None:
        rows.append(("time of the whole run", f"{results['seconds_total'] / 60:.1f} min"))
    rows.append(("machine", machine_words(results["machine"])))
    rows.append(("versions", ", ".join(f"{k} {v}" for k, v in results["versions"].items())))
    rows += [
        (f"system {system.name}", f"{system.directory}, trained by commit {system.commit}")
        for system in systems
    ]
    rows.append(
        (
            "scoring",
            "jiwer, pooled over utterances joined by id; NFKC, upper case, no punctuation, no "
            "spaces; intervals: percentile bootstrap over utterances, 10,000 resamples, each set "
            "resampled on its own",
        )
    )
    return facts_table(rows)


def speaker_tables(systems: Sequence[System]) -> str:
    """Write the error rate of every speaker by system, a table a set."""
    html = ""
    for set_name, outcome in systems[0].sets.items():
        rates = [system.sets[set_name].speaker_rates() for system in systems]
        rows = [
            [escape(speaker), *(f"{rate[speaker]:.2f}" for rate in rates)]
            for speaker in outcome.speaker_rates()
        ]
        html += element("h3", escape(set_name))
        html += table(["speaker", *(escape(system.name) for system in systems)], rows)
    return html


def _size_cells(counts: Counts) -> list[str]:
    return [str(counts.num_utts), str(counts.num_chars)]


def _diff_span(pair: Pair) -> str:
    if pair.operation == "equal":
        return escape(pair.hyp)
    if pair.operation == "delete":
        return element("span", escape(pair.ref), class_="e-del", title="deleted")
    if pair.operation == "insert":
        return element("span", escape(pair.hyp), class_="e-ins", title="inserted")
    return element("span", escape(pair.hyp), class_="e-sub", title=f"instead of {pair.ref}")
