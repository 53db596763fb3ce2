"""Tables, sentences and lists of the report, as its template is given them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from speechmoe_espnet.report.listing import worst_first
from speechmoe_espnet.report.pages import Cell, Table, interval_cells
from speechmoe_espnet.results.comparison import Comparison, percent_waiting
from speechmoe_espnet.results.decoding import decoding_rows
from speechmoe_espnet.results.set_outcome import SetOutcome
from speechmoe_espnet.results.trained_system import System
from speechmoe_espnet.scoring.alignment import Pair, align
from speechmoe_espnet.scoring.cer import Counts, UtteranceScore
from speechmoe_espnet.scoring.syllable_parts import PARTS, PartErrors
from speechmoe_espnet.system.provenance import machine_words

NUM_WORST = 5
"""Worst utterances shown of each set."""

type Fact = tuple[str, object]


@dataclass(frozen=True)
class WrongUtterance:
    """An utterance with errors.

    Attributes:
        utt: Its id.
        num_errors: Errors of the system whose worst utterances are shown.
        num_chars: Units of the reference.
        ref: The reference.
        outcomes: System, its errors, and the alignment with its hypothesis.
        audio: A `data:` address of what was said, None where there is none.
    """

    utt: str
    num_errors: int
    num_chars: int
    ref: str
    outcomes: tuple[tuple[str, int, tuple[Pair, ...]], ...]
    audio: str | None


def verdict(comparison: Comparison, metric: str) -> dict[str, str]:
    """Say the result: who is compared, the words of the verdict, and the figures behind them."""
    total = comparison.total
    words = {
        "better": f"{100 * total.mean:.1f} % fewer errors",
        "worse": f"{-100 * total.mean:.1f} % more errors",
        "no difference shown": "no difference shown",
    }[total.verdict]
    return {
        "names": f"{comparison.candidate} against {comparison.control}",
        "words": words,
        "kind": total.verdict,
        "figures": f"relative change of {metric} {100 * total.mean:+.1f} %, 95 % interval "
        f"{100 * total.low:+.1f} % to {100 * total.high:+.1f} %; positive is better",
    }


def headline_table(
    systems: Sequence[System], results: Mapping[str, Any], comparison: Comparison | None
) -> Table:
    """Return error rates by set and system, with the comparison beside them."""
    metric = systems[0].metric.upper()
    head: list[str | Cell] = ["set", *(Cell(system.name, f"{metric} %") for system in systems)]
    if comparison:
        head += ["errors saved", "verdict"]
    head += ["utterances", "characters" if metric == "CER" else "syllables"]
    rows: list[list[str | Cell]] = []
    for name, outcome in systems[0].sets.items():
        cells: list[str | Cell] = [name]
        for system in systems:
            interval = results["systems"][system.name]["cer_interval"][name]
            half = (interval["high"] - interval["low"]) / 2
            cells.append(Cell(f"{system.sets[name].counts.cer:.2f}", f"±{half:.2f}"))
        if comparison:
            cells += interval_cells(comparison.by_set[name])
        rows.append(cells + _size_cells(outcome.counts))
    cells = ["total", *(f"{system.total.cer:.2f}" for system in systems)]
    if comparison:
        cells += interval_cells(comparison.total)
    rows.append(cells + _size_cells(systems[0].total))
    return Table(head, rows, total=True)


def cost_table(systems: Sequence[System]) -> Table:
    """Return what each system costs."""
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
    rows: list[list[str | Cell]] = [
        [
            system.name,
            f"{system.model['params_total'] / 1e6:.2f} M",
            f"{system.model['params_active'] / 1e6:.2f} M",
            f"{system.model['flops_per_second_of_audio'] / 1e6:.1f}",
            f"{system.model['flops_without_embedding_network'] / 1e6:.1f}",
            str(system.steps),
            f"{system.seconds_training / 60:.1f} min",
            percent_waiting(system.share_waiting),
            Cell(f"{system.rtf:.4f}", system.rtf_measured_with),
        ]
        for system in systems
    ]
    return Table(head, rows)


def decoding_table(systems: Sequence[System]) -> Table | None:
    """Return how each system was decoded; None where that is known of none."""
    rows = decoding_rows({system.name: system.decoding for system in systems})
    if not rows:
        return None
    cells = [
        [system.name, *(values[index] for values in rows.values())]
        for index, system in enumerate(systems)
    ]
    return Table(["system", *rows], cells)


def mixed_table(systems: Sequence[System]) -> Table | None:
    """Return mixed error rates by set and system.

    Args:
        systems: The systems, scored on the same references.

    Returns:
        The table, or None where no reference has a Latin word.
    """
    by_system = [system.mixed_counts for system in systems]
    return _rate_table(systems, by_system, "MER %", "characters and words", total=False)


def syllable_table(systems: Sequence[System]) -> Table | None:
    """Return error rates in units by set and system, `-` for systems without any.

    Args:
        systems: The systems.

    Returns:
        The table, or None where no system was scored in units.
    """
    by_system = [system.syllable_counts for system in systems]
    return _rate_table(systems, by_system, "SER %", "units", total=True)


def part_table(systems: Sequence[System]) -> Table | None:
    """Return in which parts wrong syllables differ, by system.

    Args:
        systems: The systems.

    Returns:
        The table, or None where no syllable was taken for another.
    """
    rows: list[list[str | Cell]] = []
    for system in systems:
        scores = [item for outcome in system.sets.values() for item in outcome.syllables or ()]
        if scores and (found := PartErrors.of(scores)).syllables:
            shares = [
                f"{100 * count / found.syllables:.1f}"
                for name in PARTS
                for count in (getattr(found, name), getattr(found, f"{name}_alone"))
            ]
            rows.append([system.name, *shares, str(found.syllables)])
    head: list[str | Cell] = [
        cell for name in PARTS for cell in (Cell(name, "% wrong"), Cell(name, "% alone"))
    ]
    return Table(["system", *head, "syllables"], rows, total=False) if rows else None


def _rate_table(
    systems: Sequence[System],
    by_system: Sequence[Mapping[str, Counts]],
    measure: str,
    counted: str,
    *,
    total: bool,
) -> Table | None:
    """Error rates by set and system, `-` where a system has none; None where no system has any."""
    first = next((counts for counts in by_system if counts), None)
    if first is None:
        return None
    rows: list[list[str | Cell]] = [
        [
            name,
            *(f"{counts[name].cer:.2f}" if name in counts else "-" for counts in by_system),
            *_size_cells(size),
        ]
        for name, size in first.items()
    ]
    head: list[str | Cell] = ["set", *(Cell(system.name, measure) for system in systems)]
    return Table([*head, "utterances", counted], rows, total=total)


def speaker_tables(systems: Sequence[System]) -> dict[str, Table]:
    """Return the error rate of every speaker by system, a table a set."""
    head = ["speaker", *(system.name for system in systems)]
    tables = {}
    for set_name, outcome in systems[0].sets.items():
        rates = [system.sets[set_name].speaker_rates() for system in systems]
        rows = [
            [speaker, *(f"{rate[speaker]:.2f}" for rate in rates)]
            for speaker in outcome.speaker_rates()
        ]
        tables[set_name] = Table(head, rows)
    return tables


def worst_of(outcome: SetOutcome) -> list[UtteranceScore]:
    """Return the utterances of a set that are shown, most errors first."""
    return worst_first(outcome.utterances)[:NUM_WORST]


def worst_utterances(
    systems: Sequence[System], shown_first: str, audio: Mapping[tuple[str, str], str]
) -> dict[str, list[WrongUtterance]]:
    """Find the utterances with the most errors of one system, beside what the others made.

    Args:
        systems: The systems.
        shown_first: Name of the system that chooses the utterances.
        audio: A `data:` address by set and utterance id, of those that have one.

    Returns:
        Utterances by set.
    """
    order = sorted(systems, key=lambda system: system.name != shown_first)
    return {set_name: list(_wrong(order, set_name, audio)) for set_name in order[0].sets}


def _wrong(
    order: Sequence[System], set_name: str, audio: Mapping[tuple[str, str], str]
) -> Iterator[WrongUtterance]:
    by_utt = {
        system.name: {item.utt: item for item in system.sets[set_name].utterances}
        for system in order
    }
    for worst in worst_of(order[0].sets[set_name]):
        outcomes = []
        for system in order:
            item = by_utt[system.name][worst.utt]
            pairs = tuple(align([item.ref], [item.hyp], system.metric)[0])
            outcomes.append((system.name, item.num_errors, pairs))
        yield WrongUtterance(
            utt=worst.utt,
            num_errors=worst.num_errors,
            num_chars=worst.num_chars,
            ref=worst.ref,
            outcomes=tuple(outcomes),
            audio=audio.get((set_name, worst.utt)),
        )


def facts(results: Mapping[str, Any], systems: Sequence[System]) -> list[Fact]:
    """List commands, seed, versions, commit and machine."""
    rows: list[Fact] = [
        *results["meta"].items(),
        ("seed", results["seed"]),
        ("commit of this report", results["commit"]),
    ]
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
    return rows


def _size_cells(counts: Counts) -> list[str | Cell]:
    return [str(counts.num_utts), str(counts.num_chars)]
