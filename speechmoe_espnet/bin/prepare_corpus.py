"""Write the Kaldi data directories of a corpus, synthetic or real (stage 1)."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from speechmoe_espnet.recipe.recipe_options import SYNTHETIC
from speechmoe_espnet.system import cli

if TYPE_CHECKING:
    from speechmoe_espnet.corpora.synthetic.plan import Utterance
    from speechmoe_espnet.corpora.synthetic.presets import Preset


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(prog="prepare_corpus", description=__doc__)
    parser.add_argument(
        "--corpus",
        default=SYNTHETIC,
        help="synthetic, kaldi (ready train, dev and test directories), or a public corpus "
        "that lhotse can read, such as aishell",
    )
    parser.add_argument("--corpus_dir", type=Path, help="directory of a real corpus")
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
    parser.add_argument("--nj", type=int, default=2, help="number of processes")
    parser.add_argument("--output_dir", type=Path, required=True, help="directory to write")
    parser.add_argument(
        "--final_dir",
        help="final path of output_dir, used in wav.scp (default: output_dir)",
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
        _prepare_synthetic(args)
        return
    from speechmoe_espnet.corpora.public import prepare_public

    if args.corpus_dir is None:
        raise ValueError(f"corpus {args.corpus} needs --corpus_dir, the directory of the corpus")
    for data in prepare_public(args.corpus, args.corpus_dir, args.output_dir, args.nj):
        speakers = len(set(data.utt2spk.values()))
        print(f"{data.path.name}: {len(data.text)} utterances, {speakers} speakers")


def _prepare_synthetic(args: argparse.Namespace) -> None:
    from speechmoe_espnet.corpora.synthetic.generate import generate, plan_corpus, write_sets
    from speechmoe_espnet.corpora.synthetic.presets import get_preset

    if args.corpus_dir is not None:
        raise ValueError(
            f"--corpus_dir {args.corpus_dir} is not used by the synthetic corpus; "
            f"name a real one with --corpus, e.g. --corpus aishell"
        )
    preset = get_preset(args.preset).with_train_utts(args.train_utts)
    utterances = plan_corpus(args.sets, preset, args.seed)
    write_text = partial(_write_lm_text, args.sets, utterances, preset, args.seed, args.output_dir)
    made = generate(utterances, args.output_dir, args.seed, args.nj, beside=[write_text])
    seconds = sum(cli.progress(made, len(utterances), f"synthetic speech ({preset.name})"))
    write_sets(utterances, args.output_dir, args.final_dir or str(args.output_dir))
    print(f"{len(utterances)} utterances, {seconds / 3600:.2f} hours, seed {args.seed}")


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
