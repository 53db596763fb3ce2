"""Decode data directories with a trained model: hypotheses, real-time factor, routing.

One process decodes all sets, since importing ESPnet takes seconds. Any ESPnet ASR model with a CTC
head works. Models that take features read `feats.scp`, models with a
frontend read `wav.scp` (and `segments`).
"""

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch

from speechmoe_espnet.data.worker_options import add_worker_options, workers_of
from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.decode.hypothesis_files import write_json, write_routing
from speechmoe_espnet.decode.resources import Resources
from speechmoe_espnet.decode.routing_summary import RoutingTotals
from speechmoe_espnet.decode.tuning_file import read_tuning
from speechmoe_espnet.espnet.experiment_config import DEFAULT_MODEL_FILE, sample_rate
from speechmoe_espnet.inference.experiment import load_recognizer, read_experiment
from speechmoe_espnet.inference.memory_bound import check_memory
from speechmoe_espnet.inference.parallel import Decoded, recognize_batches
from speechmoe_espnet.inference.recognizer import Recognizer
from speechmoe_espnet.inference.set_decoding import decode_set, list_sets
from speechmoe_espnet.inference.utterances import Utterance, list_audio, list_features
from speechmoe_espnet.results.complexity import measure
from speechmoe_espnet.system import cli
from speechmoe_espnet.system.provenance import machine, machine_words


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="decode", description="Decode data directories with a trained model (CTC search)."
    )
    parser.add_argument(
        "--model_dir", type=Path, required=True, help="experiment directory with config.yaml"
    )
    parser.add_argument(
        "--model_file", default=DEFAULT_MODEL_FILE, help="checkpoint in --model_dir"
    )
    parser.add_argument(
        "--config", type=Path, required=True, help="decode YAML, e.g. conf/decode_ctc_greedy.yaml"
    )
    parser.add_argument(
        "--data_dirs", type=Path, nargs="+", required=True, help="one directory per set"
    )
    parser.add_argument(
        "--output_dir",
        type=Path,
        required=True,
        help="directory to write, one subdirectory per set",
    )
    parser.add_argument(
        "--graph_dir", type=Path, help="decoding graph (make_graph), for method wfst"
    )
    parser.add_argument(
        "--ngram", type=Path, help="ARPA file over tokens, for ctc_prefix_beam with use_ngram"
    )
    parser.add_argument(
        "--tuning",
        type=Path,
        help="tuning.json (tune): its lm_weight and insertion_bonus replace those of --config",
    )
    parser.add_argument("--ngpu", type=int, choices=(0, 1), default=0, help="number of GPUs")
    add_worker_options(parser)
    parser.add_argument(
        "--skip_bad",
        action="store_true",
        help="an utterance that kills workers of --cluster gets an empty hypothesis and a warning",
    )
    parser.add_argument(
        "--num_threads",
        type=int,
        default=0,
        help="threads of each process; 0: 1 if there are several processes, else as torch chooses",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status.
    """
    return cli.run(decode, get_parser(), argv)


def decode(args: argparse.Namespace) -> None:
    """Decode every set and write its results.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: A model file, configuration or table does not exist.
        ValueError: An option, the configuration of the model or an utterance is not valid.
    """
    if args.nj < 1:
        raise ValueError(f"--nj must be at least 1, got {args.nj}")
    if args.ngpu and args.nj > 1:
        raise ValueError(f"--nj {args.nj} --ngpu {args.ngpu}: one process uses the GPU; use --nj 1")
    if args.ngpu and args.cluster is not None:
        raise ValueError("--cluster --ngpu 1: workers of a cluster decode on CPUs; use one of them")
    if args.ngpu and not torch.cuda.is_available():
        raise ValueError(f"--ngpu {args.ngpu}: torch finds no GPU here; use --ngpu 0")
    if args.num_threads < 0:
        raise ValueError(f"--num_threads must be at least 0, got {args.num_threads}")
    if args.nj > 1:
        torch.set_num_threads(1)  # here, before processes are forked; in those as asked for
    elif args.num_threads:
        torch.set_num_threads(args.num_threads)
    tuned = {} if args.tuning is None else read_tuning(args.tuning)
    config = DecodeConfig.from_yaml(args.config, tuned)
    model_config = read_experiment(args.model_dir, args.model_file)
    num_bins, rate = model_config["input_size"], sample_rate(model_config)
    list_utterances = (
        list_features if num_bins is not None else partial(list_audio, sample_rate=rate)
    )
    sets = list_sets(args.data_dirs, args.output_dir, list_utterances)

    print(f"loading {args.model_dir / args.model_file}", file=sys.stderr, flush=True)
    device = "cuda" if args.ngpu else "cpu"
    load = partial(
        load_recognizer,
        args.model_dir,
        args.model_file,
        config,
        graph_dir=args.graph_dir,
        ngram=args.ngram,
    )
    recognizer = load(device=device)
    check_memory(recognizer.model, sets)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    complexity = measure(recognizer.model, num_bins=num_bins, sample_rate=rate)
    write_json(args.output_dir / "model.json", dataclasses.asdict(complexity))
    write_json(args.output_dir / "decode.json", {**dataclasses.asdict(config), "tuned": tuned})
    device = "GPU" if args.ngpu else "CPU"
    with workers_of(args) as workers:
        alone = workers.count == 1 and args.cluster is None
        threads = args.num_threads or (torch.get_num_threads() if alone else 1)
        resources = Resources(workers.count, threads, device, machine_words(machine()))

        def recognize(batches: Sequence[Sequence[Utterance]]) -> Iterator[Decoded]:
            return recognize_batches(
                recognizer, batches, workers, threads, load=load, skip_bad=args.skip_bad
            )

        for name, utterances in sets.items():
            directory = args.output_dir / name
            totals = decode_set(recognize, config, utterances, directory, resources)
            _write_routing(recognizer, utterances, directory, totals)


def _write_routing(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    directory: Path,
    totals: RoutingTotals,
) -> None:
    """Write the routing of a set, with the utterance of median length as its example."""
    by_length = sorted(utterances, key=lambda utt: (utt.num_frames, utt.name))
    example = recognizer.example(by_length[len(by_length) // 2]) if totals.layers else None
    write_routing(directory, totals, example)


if __name__ == "__main__":
    sys.exit(main())
