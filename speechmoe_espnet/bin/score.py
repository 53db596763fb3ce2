"""Score the hypotheses of one set: counts, alignments and an error listing."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.data.table import read_table
from speechmoe_espnet.data.text_options import add_text_options, text_rule
from speechmoe_espnet.data.transcripts import (
    REFUSE,
    WORDS,
    TextReport,
    TextRule,
    refuse_unknown_marks,
)
from speechmoe_espnet.report.listing import error_listing
from speechmoe_espnet.results.decoding import Decoding
from speechmoe_espnet.scoring.cer import (
    METRICS,
    UNIT_NAMES,
    Counts,
    comparable_text,
    pool,
    pool_by_speaker,
    score_texts,
)
from speechmoe_espnet.scoring.mixed import MIXED, mixed_counts, mixed_to_dict
from speechmoe_espnet.scoring.syllable_parts import PartErrors
from speechmoe_espnet.system.cli import ArgumentParser, run

HYP_NAMES = ("text", "units")


def get_parser() -> ArgumentParser:
    """Return the command's options."""
    parser = ArgumentParser(
        prog="score", description="Score the hypotheses of one set with jiwer, joined by id."
    )
    parser.add_argument(
        "--ref_dir", type=Path, required=True, help="directory with the references in text"
    )
    parser.add_argument(
        "--utt2spk", type=Path, help="speakers of the utterances (default: utt2spk in --ref_dir)"
    )
    parser.add_argument(
        "--hyp_dir", type=Path, required=True, help="directory with the hypotheses in text or units"
    )
    parser.add_argument(
        "--hyp_name",
        choices=HYP_NAMES,
        default="text",
        help="file in --hyp_dir: text, or units (emitted syllables and phones; needs references in "
        "units and --metric ser)",
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="directory to write")
    parser.add_argument(
        "--metric",
        choices=METRICS,
        default="cer",
        help="cer counts characters after text normalisation (and, where references have Latin "
        "words, the mixed error rate beside them), ser units between white space",
    )
    add_text_options(parser)
    return parser


def score(args: argparse.Namespace) -> None:
    """Score and write `cer.json`, `utts.jsonl`, `errors.txt` and `per_speaker.tsv`.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: A text, units or utt2spk file does not exist.
        ValueError: The files cannot be read or have different utterances, or units are scored by
            characters.
    """
    in_units = args.hyp_name == "units"
    if in_units and args.metric != "ser":
        raise ValueError(
            f"--hyp_name units: --metric {args.metric} would compare the letters of units; use "
            f"--metric ser, and references in units"
        )
    decoding = Decoding.load(os.path.dirname(os.path.realpath(args.hyp_dir)))
    ref_path, hyp_path = args.ref_dir / "text", args.hyp_dir / args.hyp_name
    spk_path = args.utt2spk or args.ref_dir / "utt2spk"
    refs = read_table(ref_path, allow_empty=args.metric == "cer")
    hyps = read_table(hyp_path, allow_empty=True)
    found: list[str] = []
    if args.metric == "cer":
        refs, lines = _by_rule(ref_path, refs, text_rule(args))
        found += [f"{ref_path}: {line}" for line in lines]
        hyps, lines = _by_rule(hyp_path, hyps, text_rule(args), is_hypothesis=True)
        found += [f"{hyp_path}: {line}" for line in lines]
    scores = score_texts(
        refs,
        hyps,
        read_table(spk_path),
        metric=args.metric,
        ref_name=ref_path,
        hyp_name=hyp_path,
        spk_name=spk_path,
    )
    total, speakers = pool(scores), pool_by_speaker(scores)
    scored = [item.utt for item in scores]
    mixed = None
    if args.metric == "cer":
        mixed = mixed_counts({utt: refs[utt] for utt in scored}, hyps, _words(args))
    parts = PartErrors.of(scores) if args.metric == "ser" else None
    left_out = sorted(refs.keys() - set(scored))
    result = {
        "metric": args.metric,
        **total.to_dict(),
        **({MIXED: mixed_to_dict(mixed)} if mixed else {}),
        **({"parts": parts.to_dict()} if parts and parts.syllables else {}),
        **({"left_out": left_out} if left_out else {}),
        "per_speaker": {speaker: counts.to_dict() for speaker, counts in speakers.items()},
    }
    unit = "units" if in_units else UNIT_NAMES[args.metric]
    args.output_dir.mkdir(parents=True, exist_ok=True)
    _write(args.output_dir / "cer.json", json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    _write(args.output_dir / "utts.jsonl", "".join(item.to_json() + "\n" for item in scores))
    _write(args.output_dir / "errors.txt", error_listing(scores, args.metric, unit=unit))
    _write(args.output_dir / "per_speaker.tsv", _speaker_table(speakers))
    print(
        f"{args.hyp_dir}: {args.metric.upper()} {total.cer:.2f} % (S {total.sub}, D {total.del_}, "
        f"I {total.ins} of {total.num_chars} {unit}, {total.num_utts} utterances)"
        + (
            f", MER {mixed.cer:.2f} % (S {mixed.sub}, D {mixed.del_}, I {mixed.ins} of "
            f"{mixed.num_chars} characters and words)"
            if mixed
            else ""
        )
    )
    if parts and parts.syllables:
        print(parts.describe())
    for line in found:
        print(line)
    if decoding is not None:
        print(f"decoded by {decoding.describe()}")


def _by_rule(
    path: Path, table: dict[str, str], rule: TextRule, *, is_hypothesis: bool = False
) -> tuple[dict[str, str], list[str]]:
    """Apply a rule to texts; they stay as they are otherwise, with spaces between words."""
    if rule.unknown_marks == REFUSE:
        refuse_unknown_marks(path, table)
    report = TextReport()
    applied = {}
    for name, text in table.items():
        applied[name] = rule.apply(text)
        report.note(name, text, comparable_text(applied[name], "cer", is_hypothesis=is_hypothesis))
    if is_hypothesis:
        report.dropped.clear()  # an empty hypothesis is scored
    return applied, report.lines()


def _words(args: argparse.Namespace) -> dict[str, str] | None:
    """Read the words of references whose text does not say where they end."""
    path = args.ref_dir / WORDS
    return read_table(path) if path.is_file() else None


def _speaker_table(speakers: dict[str, Counts]) -> str:
    lines = ["spk\tcer\tnum_utts\tnum_chars\tsub\tdel\tins\n"]
    for speaker, counts in speakers.items():
        fields = [speaker, f"{counts.cer:.2f}", counts.num_utts, counts.num_chars]
        fields += [counts.sub, counts.del_, counts.ins]
        lines.append("\t".join(map(str, fields)) + "\n")
    return "".join(lines)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    return run(score, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
