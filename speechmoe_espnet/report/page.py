"""The report as one self-contained page: nothing is requested from anywhere."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from speechmoe_espnet.report.markup import document, fit, heading, legend, scroll
from speechmoe_espnet.report.page_decoding import (
    decoding_table,
    syllable_scatter,
    syllable_table,
)
from speechmoe_espnet.report.page_parts import (
    comparison_sentence,
    cost_table,
    expert_loads,
    facts,
    headline_table,
    speaker_tables,
    system_colours,
    training_charts,
    worst_errors,
)
from speechmoe_espnet.report.plots import error_bars, forest_plot, strip_plot
from speechmoe_espnet.report.routing_plot import routing_picture
from speechmoe_espnet.report.svg import element
from speechmoe_espnet.results.comparison import Comparison, commit_note, short_commit
from speechmoe_espnet.results.system import System

SYNTHETIC_NOTE = (
    "The corpora behind these figures are synthetic: sentences from public text packages, "
    "spoken by a formant synthesiser with simulated telephones, rooms and noise. They are a "
    "small, honest stand-in that anyone can regenerate. The error rates say "
    "nothing about human speech, and what helps here need not help there."
)


def build_page(
    results: Mapping[str, Any],
    systems: Sequence[System],
    comparison: Comparison | None,
    *,
    corpus: str,
    num_worst: int = 5,
) -> str:
    """Write the page.

    Args:
        results: What `build_results` returned.
        systems: The systems, in the order of the tables.
        comparison: The comparison of two of them, or None.
        corpus: Name of the corpus; `synthetic` adds a note that says so.
        num_worst: Worst utterances shown of each set.

    Returns:
        HTML.
    """
    colours = system_colours(systems, comparison)
    metric = systems[0].metric.upper()
    title = f"SpeechMoE: {metric} on {len(systems[0].sets)} sets"
    if comparison:
        title = f"{comparison.candidate} against {comparison.control}: {metric}"
    sections = [
        element("h1", escape(title)),
        element(
            "p",
            f"{escape(', '.join(systems[0].sets))} · corpus {escape(corpus)} · seed "
            f"{results['seed']} · commit {escape(short_commit(results['commit']))}",
            class_="faint",
        ),
    ]
    if comparison:
        sections.append(comparison_sentence(comparison, metric))
    sections.append(headline_table(systems, results, comparison))
    sections.append(
        element(
            "p", "Small figures: 95 % intervals of a bootstrap over utterances.", class_="faint"
        )
    )
    if note := commit_note(results):
        sections.append(element("div", element("p", escape(f"Note: {note}.")), class_="note"))
    if corpus == "synthetic":
        sections.append(element("div", element("p", SYNTHETIC_NOTE), class_="note"))
    if comparison:
        changes = {**comparison.by_set, "total": comparison.total}
        sections += [
            heading(
                "Relative change",
                f"Share of the errors of {comparison.control} that {comparison.candidate} saves. "
                "Bars: 95 % interval of a paired bootstrap over utterances. A bar that crosses "
                "zero shows no difference. Intervals cover the choice of utterances, not the seed "
                "of a training.",
            ),
            fit(forest_plot(changes, comparison.control, comparison.candidate)),
        ]
    sections += _syllable_sections(systems, colours)
    if decoding := decoding_table(systems):
        sections += [heading("Decoding", "Search, and weights of language models."), decoding]
    sections += [heading("Cost of each system"), cost_table(systems)]
    sections += [
        heading("Training", "One point an epoch; values as training recorded them."),
        training_charts(systems, colours),
    ]
    sections += [
        heading("Kinds of errors", "In percent of the reference."),
        legend(
            {
                "substituted": "var(--sub)",
                "deleted": "var(--del)",
                "inserted": "var(--ins)",
            }
        ),
        fit(error_bars(_counts_by_set(systems))),
    ]
    sections += [
        heading("Speakers", "Each dot is one speaker; the pointer names it."),
        legend(colours),
        fit(strip_plot(_speaker_rates(systems), colours)),
        element("details", element("summary", "Every speaker") + speaker_tables(systems)),
    ]
    sections += _routing_sections(systems)
    sections += [
        heading(
            "Worst errors",
            "The utterances with the most errors of "
            f"{escape(_shown_first(systems, comparison))}, by set.",
        ),
        worst_errors(systems, _shown_first(systems, comparison), num_worst),
    ]
    sections += [heading("How this was made"), facts(results, systems)]
    return document(title, sections)


def _syllable_sections(systems: Sequence[System], colours: Mapping[str, str]) -> list[str]:
    shown = [system for system in systems if system.syllable_counts]
    if not shown:
        return []
    return [
        heading(
            "Syllables",
            "SER in percent: syllables with their tones, and English phones, of the best "
            "hypothesis. Homophones are errors of characters only: points far above the dashed "
            "line lose by the choice among them, points near it by the sounds. A line joins the "
            "systems on one set.",
        ),
        syllable_table(systems),
        legend({system.name: colours[system.name] for system in shown}),
        fit(syllable_scatter(shown, colours)),
    ]


def _routing_sections(systems: Sequence[System]) -> list[str]:
    sections: list[str] = []
    for system in systems:
        if any(outcome.routing for outcome in system.sets.values()):
            sections += [
                heading(
                    f"Experts of {system.name}",
                    "Percent of the frames of a set that went to each expert (columns), by MoE "
                    "layer (rows), and the mean probability of the chosen expert.",
                ),
                expert_loads(system),
            ]
        examples = {name: item.example for name, item in system.sets.items() if item.example}
        if examples:
            sections.append(
                heading(
                    f"Routing of {system.name} over one utterance",
                    "Spectrogram, recognised units where CTC emits them, and the expert of each "
                    "frame by layer: colours and numbers are experts, strength of colour is the "
                    "router's probability.",
                )
            )
        for index, (name, example) in enumerate(examples.items()):
            summary = element("summary", escape(f"{name}: {example.utt}"))
            content = summary + scroll(routing_picture(example))
            sections.append(element("details", content, **({"open": ""} if index == 0 else {})))
    return sections


def _counts_by_set(systems: Sequence[System]) -> dict[str, dict[str, Any]]:
    return {
        name: {system.name: system.sets[name].counts for system in systems}
        for name in systems[0].sets
    }


def _speaker_rates(systems: Sequence[System]) -> dict[str, dict[str, dict[str, float]]]:
    return {
        name: {system.name: system.sets[name].speaker_rates() for system in systems}
        for name in systems[0].sets
    }


def _shown_first(systems: Sequence[System], comparison: Comparison | None) -> str:
    return comparison.candidate if comparison else systems[0].name
