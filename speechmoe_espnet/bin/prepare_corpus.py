"""Write the Kaldi data directories of a corpus, synthetic or real (stage 1)."""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from speechmoe_espnet.corpora.synthetic.presets import ESPEAK, KOKORO, MIXED, VOICES
from speechmoe_espnet.data.faults import FaultsError, listed
from speechmoe_espnet.data.worker_options import add_worker_options, workers_of
from speechmoe_espnet.pipeline.workers import Workers
from speechmoe_espnet.recipe.recipe_options import SYNTHETIC
from speechmoe_espnet.system import cli

if TYPE_CHECKING:
    from speechmoe_espnet.corpora.synthetic.corpus_plan import Utterance
    from speechmoe_espnet.corpora.synthetic.presets import Preset
    from speechmoe_espnet.corpora.synthetic.spoken import Spoken


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(prog="prepare_corpus", description=__doc__)
    parser.add_argument(
        "--corpus",
        default=SYNTHETIC,
        help="synthetic, folder (recordings of your own), kaldi (ready train, dev and test "
        "directories), or a public corpus that lhotse can read, such as aishell",
    )
    parser.add_argument(
        "--corpus_dir",
        type=Path,
        help="directory of a real corpus; for folder: recordings with a .txt each, or a .csv or "
        ".tsv (path, text, perhaps speaker), or Kaldi directories",
    )
    parser.add_argument(
        "--sets",
        nargs="+",
        default=["read", "chat", "spon", "aishell2"],
        help="styles of the synthetic corpus; train and dev contain all of them",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the synthetic corpus")
    parser.add_argument("--preset", default="small", help="size: tiny, small, medium or large")
    parser.add_argument(
        "--train_utts",
        type=int,
        help="number of training utterances per style (default: that of the preset)",
    )
    parser.add_argument(
        "--voices",
        choices=VOICES,
        default=ESPEAK,
        help="who speaks in the synthetic corpus: espeak (formant synthesis, made on the spot), "
        "kokoro (natural, slower than real time on a core), or both in turn",
    )
    parser.add_argument(
        "--voices_dir", type=Path, help="folder of natural voices; fetch_voices makes one"
    )
    parser.add_argument(
        "--speech_dir",
        type=Path,
        help="folder that keeps natural speech for this and other corpora "
        "(default: speech beside --voices_dir)",
    )
    parser.add_argument(
        "--skip_bad",
        action="store_true",
        help="go on without utterances that have a fault, and list them in `left_out` of each set",
    )
    parser.add_argument(
        "--faults", metavar="FILE", help="where to list all faults if they stop the command"
    )
    add_worker_options(parser, nj=2)
    parser.add_argument("--output_dir", type=Path, required=True, help="directory to write")
    parser.add_argument(
        "--final_dir",
        help="final path of output_dir, used in wav.scp (default: output_dir)",
    )
    parser.add_argument(
        "--absolute_paths",
        action="store_true",
        help="absolute paths in wav.scp, as real corpora always have",
    )
    return parser


def prepare(args: argparse.Namespace) -> None:
    """Write a corpus.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        ValueError: An option is not valid, or the corpus is not.
        FileNotFoundError: There is no corpus in `--corpus_dir`.
    """
    if args.corpus == SYNTHETIC:
        with workers_of(args) as workers:
            _prepare_synthetic(args, workers)
        return
    from speechmoe_espnet.corpora.public import prepare_public

    if args.corpus_dir is None:
        raise ValueError(f"corpus {args.corpus} needs --corpus_dir, the directory of the corpus")
    try:
        sets = prepare_public(
            args.corpus,
            args.corpus_dir,
            args.output_dir,
            args.nj,
            skip_bad=args.skip_bad,
            note=print,
        )
    except FaultsError as error:
        raise listed(error, args.faults) from None
    for data in sets:
        speakers = len(set(data.utt2spk.values()))
        print(f"{data.path.name}: {len(data.text)} utterances, {speakers} speakers")


def _prepare_synthetic(args: argparse.Namespace, workers: Workers) -> None:
    from speechmoe_espnet.corpora.synthetic.cast import make_cast
    from speechmoe_espnet.corpora.synthetic.generate import (
        generate,
        natural_sayings,
        plan_corpus,
        write_sets,
    )
    from speechmoe_espnet.corpora.synthetic.presets import get_preset

    if args.corpus_dir is not None:
        raise ValueError(
            f"--corpus_dir {args.corpus_dir} is not used by the synthetic corpus; "
            f"name a real one with --corpus, e.g. --corpus aishell"
        )
    preset = get_preset(args.preset).with_train_utts(args.train_utts)
    spoken = _natural_voices(args)
    cast = make_cast(args.voices, spoken.voices.styles if spoken else ())
    utterances = plan_corpus(args.sets, preset, args.seed, cast)
    if spoken is not None:
        vocabulary = spoken.voices.vocabulary
        sayings = spoken.missing(natural_sayings(utterances, args.seed, vocabulary))
        said = spoken.say_all(sayings, workers)
        total = sum(cli.progress(said, len(sayings), f"natural speech ({preset.name})"))
        print(f"{len(sayings)} utterances said, {total / 3600:.2f} hours: {spoken.path}")
    write_text = partial(_write_lm_text, args.sets, utterances, preset, args.seed, args.output_dir)
    made = generate(utterances, args.output_dir, args.seed, workers, [write_text], spoken)
    seconds = sum(cli.progress(made, len(utterances), f"synthetic speech ({preset.name})"))
    final_dir = args.final_dir or str(args.output_dir)
    if args.absolute_paths:
        final_dir = os.path.abspath(final_dir)
    write_sets(utterances, args.output_dir, final_dir)
    print(f"{len(utterances)} utterances, {seconds / 3600:.2f} hours, seed {args.seed}")


def _natural_voices(args: argparse.Namespace) -> "Spoken | None":
    from speechmoe_espnet.corpora.synthetic.spoken import Spoken

    if args.voices == ESPEAK:
        if args.voices_dir is not None:
            raise ValueError(
                f"--voices_dir {args.voices_dir} is not used by --voices {ESPEAK}; "
                f"say --voices {KOKORO} or {MIXED}"
            )
        return None
    if args.voices_dir is None:
        raise ValueError(
            f"--voices {args.voices} needs --voices_dir; "
            "`speechmoe fetch_voices --output_dir DIR` makes such a folder"
        )
    return Spoken(args.voices_dir, args.speech_dir or args.voices_dir.parent / "speech")


def _write_lm_text(
    sets: list[str], utterances: "Sequence[Utterance]", preset: "Preset", seed: int, folder: Path
) -> None:
    from speechmoe_espnet.corpora.synthetic.lm_text import LM_TEXT, write_lm_text

    lines, chars = write_lm_text(sets, utterances, preset, seed, folder)
    print(f"{LM_TEXT}: {lines} sentences, {chars} characters for language models", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    return cli.run(prepare, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
