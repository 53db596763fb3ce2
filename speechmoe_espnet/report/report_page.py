"""The report as one self-contained page: nothing is requested from anywhere."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from speechmoe_espnet.data.faults import LeftOut
from speechmoe_espnet.report.charts import Change, error_bars, forest_plot, strip_plot
from speechmoe_espnet.report.curves import Series, line_chart
from speechmoe_espnet.report.figure import inline_svg
from speechmoe_espnet.report.heat_maps import load_map
from speechmoe_espnet.report.left_out import list_left_out
from speechmoe_espnet.report.pages import SYNTHETIC_NOTE, render
from speechmoe_espnet.report.palette import ERROR_KINDS, SERIES
from speechmoe_espnet.report.routing_chart import routing_chart
from speechmoe_espnet.report.scatter import syllable_scatter
from speechmoe_espnet.report.sections import (
    cost_table,
    decoding_table,
    facts,
    headline_table,
    mixed_table,
    part_table,
    speaker_tables,
    syllable_table,
    verdict,
    worst_utterances,
)
from speechmoe_espnet.results.comparison import (
    TRIAL_NOTE,
    Comparison,
    commit_note,
    curves,
    is_trial,
    short_commit,
)
from speechmoe_espnet.results.set_outcome import SetOutcome
from speechmoe_espnet.results.trained_system import System

_TRAINING_CHARTS = {
    "loss_ctc": "CTC loss",
    "loss_att": "attention loss",
    "loss": "total loss",
    "router_confidence": "router confidence",
    "expert_load_max": "largest expert's share",
    "expert_load_min": "smallest expert's share",
    "expert_load_entropy": "entropy of the load",
    "loss_sparsity": "sparsity loss",
    "loss_importance": "importance loss",
    "loss_embedding": "embedding network's loss",
}


def build_page(
    results: Mapping[str, Any],
    systems: Sequence[System],
    comparison: Comparison | None,
    *,
    corpus: str,
    audio: Mapping[tuple[str, str], str] | None = None,
    left_out: Mapping[str, LeftOut] | None = None,
) -> str:
    """Write the page.

    Args:
        results: What `build_results` returned.
        systems: The systems, in the order of the tables.
        comparison: The comparison of two of them, or None.
        corpus: Name of the corpus; `synthetic` adds a note that says so.
        audio: A `data:` address by set and utterance id, for players beside the worst errors.
        left_out: Utterances that each set lacks.

    Returns:
        HTML.
    """
    colours = _system_colours(systems, comparison)
    metric, first = systems[0].metric.upper(), shown_first(systems, comparison)
    title = f"SpeechMoE: {metric} on {len(systems[0].sets)} sets"
    if comparison:
        title = f"{comparison.candidate} against {comparison.control}: {metric}"
    compared = None if is_trial(results["meta"]) else comparison
    return render(
        "report.html.j2",
        title=title,
        subtitle=f"{', '.join(systems[0].sets)} · corpus {corpus} · seed {results['seed']} · "
        f"commit {short_commit(results['commit'])}",
        comparison=compared,
        verdict=verdict(compared, metric) if compared else None,
        headline=headline_table(systems, results, compared),
        trial_note=TRIAL_NOTE if is_trial(results["meta"]) else None,
        commit_note=commit_note(results),
        synthetic_note=SYNTHETIC_NOTE if corpus == "synthetic" else None,
        changes=_changes(compared) if compared else None,
        colours_of=colours,
        colours_in_units={s.name: colours[s.name] for s in systems if s.syllable_counts},
        mixed=mixed_table(systems),
        syllables=syllable_table(systems),
        syllable_chart=_syllable_chart(systems, colours),
        parts=part_table(systems),
        decoding=decoding_table(systems),
        costs=cost_table(systems),
        training=_training_charts(systems, colours),
        error_kinds=ERROR_KINDS,
        errors=inline_svg(error_bars(_by_set(systems, lambda outcome: outcome.counts))),
        speakers=inline_svg(
            strip_plot(_by_set(systems, lambda outcome: outcome.speaker_rates()), colours)
        ),
        speaker_tables=speaker_tables(systems),
        routing=_routing(systems),
        shown_first=first,
        worst=worst_utterances(systems, first, audio or {}),
        separator="" if systems[0].metric == "cer" else " ",
        left_out=list_left_out(left_out or {}),
        facts=facts(results, systems),
    )


def shown_first(systems: Sequence[System], comparison: Comparison | None) -> str:
    """Return the name of the system whose worst errors are shown."""
    return comparison.candidate if comparison else systems[0].name


def _system_colours(systems: Sequence[System], comparison: Comparison | None) -> dict[str, str]:
    """Give each system a colour; control and candidate are always the same two."""
    fixed = (comparison.control, comparison.candidate) if comparison else ()
    order = [*fixed, *(system.name for system in systems if system.name not in fixed)]
    return {system.name: SERIES[order.index(system.name) % len(SERIES)] for system in systems}


def _changes(comparison: Comparison) -> Markup:
    rows = {name: Change(interval) for name, interval in comparison.by_set.items()}
    rows["total"] = Change(comparison.total, bold=True)
    sides = (f"{comparison.control} better", f"{comparison.candidate} better")
    return inline_svg(forest_plot({"": rows}, sides))


def _syllable_chart(systems: Sequence[System], colours: Mapping[str, str]) -> Markup | None:
    points = {
        name: [
            (system.name, outcome.syllable_counts.cer, outcome.counts.cer)
            for system in systems
            if (outcome := system.sets[name]).syllable_counts is not None
        ]
        for name in systems[0].sets
    }
    if not all(points.values()):
        return None
    return inline_svg(syllable_scatter(points, colours))


def _training_charts(systems: Sequence[System], colours: Mapping[str, str]) -> list[Markup]:
    """Draw what training recorded: losses of all systems, and the routers where there are any."""
    recorded = {system.name: curves(system) for system in systems}
    panels = []
    for key, title in _TRAINING_CHARTS.items():
        series = [
            Series(f"{name}, {part}", colours[name], curve["steps"], curve[part][key], dashed)
            for name, curve in recorded.items()
            for part, dashed in (("train", True), ("valid", False))
            if key in curve[part]
        ]
        if series:
            panels.append(inline_svg(line_chart(title, series, "step")))
    return panels


def _routing(systems: Sequence[System]) -> dict[str, dict[str, Any]]:
    """Draw the routers by system: load of the experts by set, and one utterance of each set."""
    found = {}
    for system in systems:
        loads = [
            inline_svg(
                load_map(
                    name,
                    [layer.load for layer in outcome.routing.layers],
                    [layer.confidence for layer in outcome.routing.layers],
                )
            )
            for name, outcome in system.sets.items()
            if outcome.routing
        ]
        examples = {
            f"{name}: {outcome.example.utt}": inline_svg(routing_chart(outcome.example))
            for name, outcome in system.sets.items()
            if outcome.example
        }
        if loads or examples:
            found[system.name] = {"loads": loads, "examples": examples}
    return found


def _by_set[T](
    systems: Sequence[System], value: Callable[[SetOutcome], T]
) -> dict[str, dict[str, T]]:
    return {
        name: {system.name: value(system.sets[name]) for system in systems}
        for name in systems[0].sets
    }
