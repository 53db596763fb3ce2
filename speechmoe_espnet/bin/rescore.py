"""Rescore the n-best lists of decoded sets with a character language model.

The output has the layout of `decode`: scoring and reports accept both.
"""

import argparse
import dataclasses
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from speechmoe_espnet.data.json_files import number, read_object
from speechmoe_espnet.data.table import write_table
from speechmoe_espnet.data.worker_options import add_cluster_option, workers_of
from speechmoe_espnet.decode.hypothesis_files import write_json
from speechmoe_espnet.decode.nbest import NBEST_FILE, Hyp, read_nbest, write_nbest
from speechmoe_espnet.decode.rescoring import WEIGHTS, RescoringWeights, TextScorer, rescore
from speechmoe_espnet.decode.resources import RESCORED_WITH, Resources
from speechmoe_espnet.espnet.experiment_config import DEFAULT_MODEL_FILE
from speechmoe_espnet.lm.neural import NeuralLM, score_texts_by
from speechmoe_espnet.lm.sentences import read_lines
from speechmoe_espnet.pipeline.workers import Job, Workers
from speechmoe_espnet.system.cli import ArgumentParser, progress, run
from speechmoe_espnet.system.provenance import machine, machine_words

UNITS_FILE, CTM_FILE, RTF_FILE = "units", "ctm", "rtf.json"
TEXTS_A_TASK = 500
# Lattices belong to the search and stay in its directory.
NOT_COPIED = ("text", NBEST_FILE, UNITS_FILE, CTM_FILE, RTF_FILE, "lattice.ark.txt")


def get_parser() -> ArgumentParser:
    """Return the command's options."""
    parser = ArgumentParser(
        prog="rescore",
        description="Rescore n-best lists with a neural language model: score = acoustic_score + "
        "lm_score + nn_lm_weight x ln P(text). With --lm_weight or --tuning, the other scores are "
        "weighted anew as well.",
    )
    parser.add_argument(
        "--decode_dir",
        type=Path,
        required=True,
        help="output directory of decode, one subdirectory per set",
    )
    parser.add_argument(
        "--sets", nargs="+", required=True, help="names of the sets in --decode_dir"
    )
    parser.add_argument(
        "--lm_dir",
        type=Path,
        required=True,
        help="experiment directory of the language model (utils/train_lm.sh)",
    )
    parser.add_argument("--lm_file", default=DEFAULT_MODEL_FILE, help="checkpoint in --lm_dir")
    parser.add_argument(
        "--nn_lm_weight", type=float, help="weight of the neural model's ln P(text)"
    )
    parser.add_argument(
        "--lm_weight",
        type=float,
        help="weight of lm_logp (default: the scores as the search weighted them)",
    )
    parser.add_argument(
        "--insertion_bonus",
        type=float,
        help="bonus for each token; only with --lm_weight (default: 0)",
    )
    parser.add_argument(
        "--tuning",
        type=Path,
        help="tuning.json (tune) with the three weights, instead of these options",
    )
    parser.add_argument(
        "--dev_text", type=Path, help="text for printing the perplexity of the model"
    )
    parser.add_argument(
        "--batch_characters",
        type=int,
        default=2000,
        help="maximum number of characters in a batch, padding included",
    )
    parser.add_argument("--ngpu", type=int, choices=(0, 1), default=0, help="number of GPUs")
    add_cluster_option(parser, "what this process does otherwise")
    parser.set_defaults(nj=1)
    parser.add_argument(
        "--output_dir",
        type=Path,
        required=True,
        help="directory to write, one subdirectory per set",
    )
    return parser


def rescore_sets(args: argparse.Namespace) -> None:
    """Rescore every set and write its results.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: Lists, the model or its configuration do not exist.
        ValueError: An option, a list or the model is not valid.
    """
    weights = _weights(args)
    if args.ngpu and not torch.cuda.is_available():
        raise ValueError(f"--ngpu {args.ngpu}: torch finds no GPU here; use --ngpu 0")
    if args.ngpu and args.cluster is not None:
        raise ValueError("--cluster --ngpu 1: workers of a cluster use CPUs; give one of them")
    sets = {name: _read_set(args, name, weights) for name in dict.fromkeys(args.sets)}
    dev_text = None if args.dev_text is None else read_lines(args.dev_text)
    lm = NeuralLM.from_experiment(
        args.lm_dir,
        args.lm_file,
        device="cuda" if args.ngpu else "cpu",
        batch_characters=args.batch_characters,
    )
    args.output_dir.mkdir(parents=True, exist_ok=True)
    summary: dict[str, object] = {"lm": str(args.lm_dir / args.lm_file), **vars(weights)}
    summary["tuned"] = {} if args.tuning is None else dict(vars(weights))
    if dev_text is not None:
        found = lm.perplexity(dev_text)
        summary["dev"] = dataclasses.asdict(found)
        print(
            f"{args.dev_text}: perplexity {found.perplexity:.2f} per character "
            f"({found.num_characters} characters, {found.num_unknown} of them unknown, "
            f"{found.num_sentences} sentences)"
        )
    device = "GPU" if args.ngpu else "CPU"
    with workers_of(args) as workers:
        threads = torch.get_num_threads() if args.cluster is None else 1
        resources = Resources(workers.count, threads, device, machine_words(machine()))
        for name, lists in sets.items():
            score: TextScorer = lm.score
            if args.cluster is not None:
                score = partial(_score_by_workers, args, workers, _first_utterances(lists))
            source, target = args.decode_dir / name, args.output_dir / name
            _rescore_set(score, lists, weights, source, target, resources)
    for source in _other_files(args.decode_dir, ()):
        shutil.copy(source, args.output_dir)
    write_json(args.output_dir / "rescoring.json", summary)


def _weights(args: argparse.Namespace) -> RescoringWeights:
    given = [name for name in WEIGHTS if getattr(args, name) is not None]
    if args.tuning is not None:
        if given:
            raise ValueError(f"--tuning holds the weights; leave out --{', --'.join(given)}")
        return RescoringWeights.from_tuning(args.tuning)
    if args.nn_lm_weight is None:
        raise ValueError("no weights: give --nn_lm_weight (and --lm_weight), or --tuning")
    return RescoringWeights(args.nn_lm_weight, args.lm_weight, args.insertion_bonus)


def _read_set(
    args: argparse.Namespace, name: str, weights: RescoringWeights
) -> dict[str, list[Hyp]]:
    source, target = args.decode_dir / name, args.output_dir / name
    if target.exists():
        raise ValueError(
            f"--output_dir: {target} exists already; name another directory or remove this one"
        )
    path = source / NBEST_FILE
    lists = read_nbest(path, weights.numbers)
    for utt, hyps in lists.items():
        for rank, hyp in enumerate(hyps, start=1):
            place = f"{path}: {utt}: hypothesis {rank}"
            if (source / UNITS_FILE).is_file() and not isinstance(hyp.get("units"), str):
                raise ValueError(f"{place}: units must be a string, got {hyp.get('units')!r}")
            if (source / CTM_FILE).is_file():
                _ctm_lines(place, utt, hyp)
    return lists


def _first_utterances(lists: Mapping[str, list[Hyp]]) -> dict[str, str]:
    """Return for each text the first utterance that has it, to name where it kills workers."""
    found: dict[str, str] = {}
    for utt, hyps in lists.items():
        for hyp in hyps:
            found.setdefault(hyp["text"], utt)
    return found


def _score_by_workers(
    args: argparse.Namespace, workers: Workers, owners: Mapping[str, str], texts: Sequence[str]
) -> list[float]:
    """Score texts as `NeuralLM.score` does, texts of similar length together."""
    order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))
    parts = [order[first : first + TEXTS_A_TASK] for first in range(0, len(order), TEXTS_A_TASK)]
    job = Job(
        partial(score_texts_by, args.lm_dir, args.lm_file, args.batch_characters),
        kind="rescoring",
        split=lambda part: {f"{owners[text]}, {text!r}": [text] for text in part},
    )
    tasks = [[texts[number] for number in part] for part in parts]
    scores = [0.0] * len(texts)
    done = progress(workers.map(job, tasks), len(tasks), f"blocks of {TEXTS_A_TASK} texts")
    for part, found in zip(parts, done, strict=True):
        for place, score in zip(part, found, strict=True):
            scores[place] = score
    return scores


def _rescore_set(
    score: TextScorer,
    lists: Mapping[str, list[Hyp]],
    weights: RescoringWeights,
    source: Path,
    target: Path,
    resources: Resources,
) -> None:
    start = time.perf_counter()
    ranked = rescore(lists, score, weights)
    seconds = time.perf_counter() - start
    target.mkdir()
    write_table(target / "text", {utt: hyps[0]["text"] for utt, hyps in ranked.items()})
    write_nbest(target / NBEST_FILE, sorted(ranked.items()))
    if (source / UNITS_FILE).is_file():
        write_table(target / UNITS_FILE, {utt: hyps[0]["units"] for utt, hyps in ranked.items()})
    if (source / CTM_FILE).is_file():
        lines = [line for utt in sorted(ranked) for line in _ctm_lines(utt, utt, ranked[utt][0])]
        (target / CTM_FILE).write_text("".join(lines), encoding="utf-8")
    if (source / RTF_FILE).is_file():
        _add_seconds(source / RTF_FILE, target / RTF_FILE, seconds, resources)
    for file in _other_files(source, NOT_COPIED):
        shutil.copy(file, target)
    changed = sum(hyps[0]["text"] != lists[utt][0]["text"] for utt, hyps in ranked.items())
    print(
        f"rescored {target.name}: {len(ranked)} utterances, "
        f"{sum(map(len, ranked.values()))} hypotheses in {seconds:.1f} s; the best one changed "
        f"in {changed} utterances",
        file=sys.stderr,
        flush=True,
    )


def _ctm_lines(place: str, utt: str, hyp: Hyp) -> list[str]:
    """Return the lines of `ctm` for a hypothesis with words and their times."""
    try:
        return [
            f"{utt} 1 {start:.3f} {end - start:.3f} {word}\n"
            for word, (start, end) in zip(hyp["words"], hyp["word_times"], strict=True)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{place}: expected words and word_times of the same number, since there is a "
            f"{CTM_FILE} file: {error!r}"
        ) from None


def _add_seconds(source: Path, target: Path, seconds: float, resources: Resources) -> None:
    """Write the real-time factor of decoding and rescoring together."""
    try:
        rtf = read_object(source, ("seconds_decode", "seconds_audio"))
        total = number(rtf, "seconds_decode", source) + seconds
        earlier = number({"seconds_rescore": 0.0, **rtf}, "seconds_rescore", source)
        write_json(
            target,
            {
                **rtf,
                "seconds_decode": total,
                "rtf": total / number(rtf, "seconds_audio", source),
                "seconds_rescore": earlier + seconds,
                RESCORED_WITH: dataclasses.asdict(resources),
            },
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ValueError(
            f"{source}: expected seconds_decode and seconds_audio as `decode` writes them: {error}"
        ) from None


def _other_files(directory: Path, known: Sequence[str]) -> list[Path]:
    """List further output of decoding, such as routing; marks and scores are left out."""
    return [
        path
        for path in sorted(directory.iterdir())
        if path.is_file() and path.name not in known and not path.name.startswith(".")
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    return run(rescore_sets, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
