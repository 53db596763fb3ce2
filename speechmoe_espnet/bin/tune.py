"""Tune language model weight and insertion bonus on the n-best lists of a development set."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.table import read_table
from speechmoe_espnet.decode.nbest import NBEST_FILE, Hyp, read_nbest
from speechmoe_espnet.decode.tuning import Axis, RankedLists, Tuning, grid_search
from speechmoe_espnet.decode.tuning_file import TUNING_FILE
from speechmoe_espnet.report.figure import standalone_svg
from speechmoe_espnet.report.heat_maps import rate_map
from speechmoe_espnet.scoring.cer import METRICS
from speechmoe_espnet.scoring.nbest_errors import ListErrors, count_errors
from speechmoe_espnet.system.cli import ArgumentParser, run

ACOUSTIC = "acoustic_logp"
FIELDS = {"lm_weight": "lm_logp", "insertion_bonus": "num_units", "nn_lm_weight": "nn_lm_logp"}


def get_parser() -> ArgumentParser:
    """Return the command's options."""
    parser = ArgumentParser(
        prog="tune",
        description="Rerank the n-best lists of a development set for a grid of weights, and write "
        "the weights with the lowest error rate. Lists contain only what the search kept: decode "
        "with a wide beam and a large nbest, with weights near the expected ones.",
    )
    parser.add_argument(
        "--decode_dir",
        type=Path,
        required=True,
        help=f"directory of the decoded set, with {NBEST_FILE}",
    )
    parser.add_argument(
        "--data_dir", type=Path, required=True, help="directory with the references in text"
    )
    parser.add_argument("--metric", choices=METRICS, default="cer", help="error rate to minimise")
    parser.add_argument(
        "--lm_weights",
        default="0:1.5:0.1",
        help="values of the language model weight: FIRST:LAST:STEP, or separated by commas",
    )
    parser.add_argument(
        "--insertion_bonuses",
        default="-1:4:0.5",
        help="values of the bonus for each token; with a minus sign first, write "
        "--insertion_bonuses=-1:4:0.5",
    )
    parser.add_argument(
        "--nn_lm_weights",
        help="values of the neural model's weight, for lists of rescore (default: 0 alone)",
    )
    parser.add_argument(
        "--default_lm_weight",
        type=float,
        default=0.5,
        help="of equal error rates, the weight closest to this one wins",
    )
    parser.add_argument(
        "--default_insertion_bonus", type=float, default=0.0, help="as --default_lm_weight"
    )
    parser.add_argument(
        "--default_nn_lm_weight", type=float, default=0.3, help="as --default_lm_weight"
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="directory to write")
    return parser


def tune(args: argparse.Namespace) -> None:
    """Search the grid and write `tuning.json` and `tuning.svg`.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: The lists or the references do not exist.
        ValueError: The files cannot be read, have different utterances or lack a score, or a grid
            is not valid.
    """
    axes = _axes(args)
    fields = [FIELDS[axis.name] for axis in axes]
    path = args.decode_dir / NBEST_FILE
    lists = read_nbest(path, (ACOUSTIC, *fields))
    counted = _errors(args.data_dir, args.metric, path, lists)
    # References without text cannot be scored.
    lists = {utt: hyps for utt, hyps in lists.items() if utt in counted.errors}
    ranked = RankedLists.from_lists(
        lists, counted.errors, counted.num_units, fixed=ACOUSTIC, weighted=fields
    )
    found = grid_search(ranked, axes)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    _write(
        args.output_dir / TUNING_FILE,
        json.dumps(_summary(args, lists, ranked, found, counted.num_units), indent=1) + "\n",
    )
    title = f"{args.metric.upper()} of {args.decode_dir.name} (%)"
    _write(args.output_dir / "tuning.svg", _picture(title, found))
    _report(args, ranked, found)


def _axes(args: argparse.Namespace) -> list[Axis]:
    axes = [
        Axis.parse("lm_weight", args.lm_weights, args.default_lm_weight),
        Axis.parse("insertion_bonus", args.insertion_bonuses, args.default_insertion_bonus),
    ]
    if args.nn_lm_weights is not None:
        axes.append(Axis.parse("nn_lm_weight", args.nn_lm_weights, args.default_nn_lm_weight))
    return axes


def _errors(
    data_dir: Path, metric: str, list_name: Path, lists: dict[str, list[Hyp]]
) -> ListErrors:
    """Read the references and count errors; no other function reads references."""
    references = data_dir / "text"
    return count_errors(
        read_table(references),
        {utt: [hyp["text"] for hyp in hyps] for utt, hyps in lists.items()},
        metric=metric,
        ref_name=references,
        list_name=list_name,
    )


def _summary(
    args: argparse.Namespace,
    lists: dict[str, list[Hyp]],
    ranked: RankedLists,
    found: Tuning,
    num_units: int,
) -> dict[str, Any]:
    metric = args.metric
    return {
        **found.named(found.best),
        "metric": metric,
        metric: found.rate,
        f"{metric}_as_decoded": ranked.first,
        f"{metric}_of_best_in_lists": ranked.oracle,
        "set": args.decode_dir.name,
        "num_utts": len(lists),
        "num_hyps": sum(map(len, lists.values())),
        "num_units": num_units,
        "on_edge": found.on_edge,
        "grid": [{**found.named(point), metric: rate} for point, rate in found.rates.items()],
    }


def _picture(title: str, found: Tuning) -> str:
    """Draw the plane of the first two weights through the best point."""
    x_axis, y_axis = found.axes[:2]
    rest = found.best[2:]
    plane = {point[:2]: rate for point, rate in found.rates.items() if point[2:] == rest}
    at = "".join(
        f", {axis.name} {value:g}" for axis, value in zip(found.axes[2:], rest, strict=True)
    )
    figure = rate_map(
        title + at,
        (x_axis.name, x_axis.values),
        (y_axis.name, y_axis.values),
        {(x, y): rate for (x, y), rate in plane.items()},
        (found.best[0], found.best[1]),
    )
    return standalone_svg(figure)


def _report(args: argparse.Namespace, ranked: RankedLists, found: Tuning) -> None:
    weights = ", ".join(f"{name} {value:g}" for name, value in found.named(found.best).items())
    print(
        f"{args.decode_dir.name}: {args.metric.upper()} {found.rate:.2f} % at {weights} "
        f"({ranked.first:.2f} % as decoded, {ranked.oracle:.2f} % if the best of each list were "
        f"known; {len(found.rates)} points)"
    )
    for axis in found.axes:
        if axis.name in found.on_edge:
            print(
                f"tune: warning: the best {axis.name}, {found.named(found.best)[axis.name]:g}, "
                f"is at the edge of its grid ({axis.values[0]:g} to {axis.values[-1]:g}); "
                f"widen the grid",
                file=sys.stderr,
            )


def _write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8", newline="\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    return run(tune, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
