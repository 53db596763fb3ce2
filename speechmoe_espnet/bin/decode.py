"""Decode data directories with a trained model: hypotheses, real-time factor, routing.

One process decodes all sets, since importing ESPnet takes seconds. Any ESPnet ASR model with a CTC
head works. Models that take features read `feats.scp`, models with a
frontend read `wav.scp` (and `segments`).
"""

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.decode.hypothesis_files import (
    Weights,
    write_hypotheses,
    write_json,
    write_routing,
    write_rtf,
)
from speechmoe_espnet.decode.routing_summary import RoutingTotals
from speechmoe_espnet.decode.tuning_file import read_tuning
from speechmoe_espnet.espnet.experiment_config import DEFAULT_MODEL_FILE, sample_rate
from speechmoe_espnet.inference.experiment import load_model, read_experiment
from speechmoe_espnet.inference.parallel import recognize_batches
from speechmoe_espnet.inference.recognizer import Recognizer, make_recognizer
from speechmoe_espnet.inference.utterances import (
    Utterance,
    list_audio,
    list_features,
    make_batches,
)
from speechmoe_espnet.results.complexity import measure
from speechmoe_espnet.system import cli


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
    parser.add_argument(
        "--nj",
        type=int,
        default=1,
        help="number of CPU processes; if more than 1, each has one thread",
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
    if args.ngpu and not torch.cuda.is_available():
        raise ValueError(f"--ngpu {args.ngpu}: torch finds no GPU here; use --ngpu 0")
    if args.nj > 1:
        torch.set_num_threads(1)
    tuned = {} if args.tuning is None else read_tuning(args.tuning)
    config = DecodeConfig.from_yaml(args.config, tuned)
    model_config = read_experiment(args.model_dir, args.model_file)
    num_bins, rate = model_config["input_size"], sample_rate(model_config)
    sets = _list_sets(args.data_dirs, args.output_dir, num_bins, rate)

    print(f"loading {args.model_dir / args.model_file}", file=sys.stderr, flush=True)
    device = "cuda" if args.ngpu else "cpu"
    model = _load_with_ctc(args.model_dir, args.model_file, model_config, device)
    recognizer = make_recognizer(
        model, model_config, config, device=device, graph_dir=args.graph_dir, ngram=args.ngram
    )
    args.output_dir.mkdir(parents=True, exist_ok=True)
    complexity = measure(model, num_bins=num_bins, sample_rate=rate)
    write_json(args.output_dir / "model.json", dataclasses.asdict(complexity))
    write_json(args.output_dir / "decode.json", {**dataclasses.asdict(config), "tuned": tuned})
    for name, utterances in sets.items():
        _decode_set(recognizer, config, utterances, args.output_dir / name, args.nj)


def _decode_set(
    recognizer: Recognizer,
    config: DecodeConfig,
    utterances: Sequence[Utterance],
    directory: Path,
    num_jobs: int,
) -> None:
    batches = make_batches(utterances, config.batch_frames)
    progress = cli.progress(
        recognize_batches(recognizer, batches, num_jobs),
        total=len(batches),
        desc=f"decoding {directory.name} (batches)",
    )
    start = time.perf_counter()
    results, totals = [], RoutingTotals()
    for recognized, counted in progress:
        results += recognized
        totals += counted
    seconds_decode = time.perf_counter() - start

    directory.mkdir()
    write_hypotheses(directory, results, Weights.of(config))
    seconds_audio = sum(utt.seconds for utt in utterances)
    threads = torch.get_num_threads() * num_jobs
    write_rtf(directory, seconds_audio, seconds_decode, len(utterances), threads)
    by_length = sorted(utterances, key=lambda utt: (utt.num_frames, utt.name))
    example = recognizer.example(by_length[len(by_length) // 2]) if totals.layers else None
    write_routing(directory, totals, example)
    for result in results:
        if result.is_too_short:
            print(
                f"decode: warning: {directory.name}: {result.name}: too short for the model; "
                f"its hypothesis is empty",
                file=sys.stderr,
            )
    print(
        f"decoded {directory.name}: {len(results)} utterances, {seconds_audio:.1f} s of audio in "
        f"{seconds_decode:.1f} s, RTF {seconds_decode / seconds_audio:.5f} ({threads} threads)",
        file=sys.stderr,
        flush=True,
    )


def _list_sets(
    data_dirs: Sequence[Path], output_dir: Path, num_bins: int | None, rate: int
) -> dict[str, list[Utterance]]:
    sets: dict[str, list[Utterance]] = {}
    for data_dir in data_dirs:
        name = data_dir.resolve().name
        if name in sets:
            raise ValueError(
                f"--data_dirs: two directories are named {name}; results are written by that "
                f"name, so decode them into different --output_dir"
            )
        if (output_dir / name).exists():
            raise ValueError(
                f"--output_dir: {output_dir / name} exists already; name another directory or "
                f"remove this one"
            )
        sets[name] = list_features(data_dir) if num_bins is not None else list_audio(data_dir, rate)
    return sets


def _load_with_ctc(
    model_dir: Path, model_file: str, model_config: dict[str, Any], device: str
) -> Any:
    """Load a model with a CTC head."""
    model = load_model(model_config, model_dir / model_file, device)
    if model.ctc is None:
        raise ValueError(
            f"{model_dir}: the model has no CTC head (ctc_weight 0), which these searches need; "
            f"decode it with `python -m speechmoe_espnet.bin.asr_inference`"
        )
    return model


if __name__ == "__main__":
    sys.exit(main())
