"""Compare systems on the evaluation sets: a table, results.json and an HTML page."""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.data.faults import read_left_out
from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.report.left_out import count_left_out
from speechmoe_espnet.report.players import players
from speechmoe_espnet.report.report_page import build_page, shown_first
from speechmoe_espnet.report.sections import worst_of
from speechmoe_espnet.report.text_table import text_table
from speechmoe_espnet.results.comparison import Comparison, Provenance, build_results, compare
from speechmoe_espnet.results.trained_system import System, load_system
from speechmoe_espnet.system.cli import ArgumentParser, run

DEFAULT_DECODE = "ctc_greedy"
_SYSTEM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}")


def get_parser() -> ArgumentParser:
    """Return the command's options."""
    parser = ArgumentParser(
        prog="report",
        description="Compare systems: print a table, write results.json, table.txt and index.html.",
    )
    parser.add_argument(
        "--system",
        dest="systems",
        action="append",
        required=True,
        metavar="NAME=EXP_DIR",
        help="name and experiment directory of a system; repeat it, in the order of the tables",
    )
    parser.add_argument(
        "--decode",
        action="append",
        default=[],
        metavar="NAME",
        help=f"name of the decoding to report (default: {DEFAULT_DECODE}); SYSTEM=NAME: that of "
        "one system",
    )
    parser.add_argument("--sets", nargs="+", required=True, help="evaluation sets")
    parser.add_argument("--control", help="reference system of the comparison (needs --candidate)")
    parser.add_argument("--candidate", help="system compared with --control")
    parser.add_argument(
        "--intervals",
        action="store_true",
        help="show the 95 %% interval of each set's error rate in the table",
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="directory to write")
    parser.add_argument(
        "--audio_dir",
        type=Path,
        help="directory with a data directory a set (DIR/SET/wav.scp), as recipes have it in "
        "data/CORPUS: the page then plays the worst utterances; recordings that are gone get no "
        "player",
    )
    parser.add_argument(
        "--feature_dir",
        type=Path,
        help="directory of the features of all sets, as recipes have it in dump/CORPUS: the report "
        "then counts and lists the utterances that --skip-bad left out",
    )
    parser.add_argument(
        "--corpus",
        help="name of the corpus (default: parent of the first system's directory)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="seed of the run (default: `seed` in config.yaml of the first system)",
    )
    parser.add_argument("--seconds_total", type=float, help="duration of the whole run in seconds")
    parser.add_argument(
        "--meta",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="facts for the page, such as command=...; the keys seed, seconds_total and corpus "
        "set the options of these names",
    )
    return parser


def report(args: argparse.Namespace) -> None:
    """Write `results.json`, `table.txt` and `index.html`, and print the table.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: A score, `model.json` or another file of a system is missing.
        ValueError: An option is not valid, or the systems cannot be compared.
    """
    meta = _pairs("--meta", args.meta)
    seed = _option(args.seed, meta.pop("seed", None), int, "--seed")
    seconds_total = _option(
        args.seconds_total, meta.pop("seconds_total", None), float, "--seconds_total"
    )
    corpus = _option(args.corpus, meta.pop("corpus", None), str, "--corpus")
    directories = _pairs("--system", args.systems)
    for name in directories:
        if not _SYSTEM_NAME.fullmatch(name):
            raise ValueError(
                f"--system: a name has up to 40 letters, digits and any of _.+- , got {name!r}"
            )
    _check_sets(args.sets)
    _check_compared(args.control, args.candidate, list(directories))
    decodes = _decodes(args.decode, list(directories))
    systems = {
        name: load_system(name, directory, decodes[name], args.sets)
        for name, directory in directories.items()
    }
    first = next(iter(systems.values()))
    if seed is None:
        seed = _seed_of(first)
    comparison = None
    if args.control:
        comparison = compare(systems[args.control], systems[args.candidate], seed)
    provenance = Provenance(seed=seed, seconds_total=seconds_total, meta=meta)
    results = build_results(list(systems.values()), comparison, provenance)
    left_out = {} if args.feature_dir is None else read_left_out(args.feature_dir)
    if left_out:
        results["left_out"] = {name: len(found.reasons) for name, found in left_out.items()}
    page = build_page(
        results,
        list(systems.values()),
        comparison,
        corpus=corpus or Path(os.path.realpath(first.directory)).parent.name,
        audio=_audio(args.audio_dir, list(systems.values()), comparison),
        left_out=left_out,
    )
    table = text_table(results, intervals=args.intervals)
    for name, found in left_out.items():
        table += f"left out of {name}: {count_left_out(found)}\n"
    args.output_dir.mkdir(parents=True, exist_ok=True)
    texts = {
        "results.json": json.dumps(results, ensure_ascii=False, indent=1, allow_nan=False) + "\n",
        "table.txt": table,
        "index.html": page,
    }
    for name, text in texts.items():
        (args.output_dir / name).write_text(text, encoding="utf-8", newline="\n")
    print(table, end="")


def _audio(
    audio_dir: Path | None, systems: Sequence[System], comparison: Comparison | None
) -> dict[tuple[str, str], str]:
    if audio_dir is None:
        return {}
    shown = next(item for item in systems if item.name == shown_first(systems, comparison))
    wanted = {
        name: [score.utt for score in worst_of(outcome)] for name, outcome in shown.sets.items()
    }
    found, complaints = players(audio_dir, wanted)
    for complaint in complaints:
        print(f"report: warning: no player for {complaint}", file=sys.stderr)
    return found


def _pairs(option: str, words: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise ValueError(f"{option}: expected NAME=VALUE, got {word!r}")
        if name in pairs:
            raise ValueError(f"{option}: {name} is given twice")
        pairs[name] = value
    return pairs


def _decodes(words: Sequence[str], systems: Sequence[str]) -> dict[str, str]:
    """Return the decoding of each system."""
    general = [word for word in words if "=" not in word] or [DEFAULT_DECODE]
    if len(general) > 1:
        raise ValueError(f"--decode: {' and '.join(general)} are given for all systems")
    of_one = _pairs("--decode", [word for word in words if "=" in word])
    if others := sorted(of_one.keys() - set(systems)):
        raise ValueError(f"--decode: {others[0]} is no --system; those are {', '.join(systems)}")
    return {name: of_one.get(name, general[0]) for name in systems}


def _option[T](given: T | None, text: str | None, kind: type[T], name: str) -> T | None:
    if text is None:
        return given
    if given is not None:
        raise ValueError(f"{name} is given twice, as an option and in --meta")
    try:
        return kind(text)  # type: ignore[call-arg]
    except ValueError:
        raise ValueError(f"{name}: expected {kind.__name__}, got {text!r}") from None


def _check_sets(sets: Sequence[str]) -> None:
    if len(set(sets)) < len(sets):
        raise ValueError(f"--sets: a set is given twice: {' '.join(sets)}")
    if "total" in sets:
        raise ValueError("--sets: `total` is the name of the sum over sets; rename the set")


def _check_compared(control: str | None, candidate: str | None, names: Sequence[str]) -> None:
    if (control is None) != (candidate is None):
        raise ValueError("--control and --candidate belong together; give both or neither")
    if control is not None and control == candidate:
        raise ValueError(f"--control and --candidate are the same system, {control}")
    for option, name in (("--control", control), ("--candidate", candidate)):
        if name is not None and name not in names:
            raise ValueError(f"{option}: {name} is not among the systems {', '.join(names)}")


def _seed_of(system: System) -> int:
    path = system.directory / "config.yaml"
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; give the seed of the run by --seed")
    seed = read_mapping(path).get("seed")
    if not isinstance(seed, int):
        raise ValueError(f"{path}: no seed; give the seed of the run by --seed")
    return seed


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    return run(report, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
