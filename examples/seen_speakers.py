"""Make a data directory of new sentences by speakers of training, or by those of dev.

    python examples/seen_speakers.py --voices train --output_dir seen
    python examples/seen_speakers.py --voices dev --output_dir unseen
    python examples/seen_speakers.py --voices dev --shuffle characters --output_dir shuffled

Sentences, rooms and noise are those of the dev partition in all, so two error rates differ by
whether training has seen the speakers. Shuffled sentences leave sounds alone: a model that knows
which words follow each other (`words`), or which characters make a word (`characters`), cannot
guess. The directories go through `extract_features`, `make_units` (`--token_list`) and `decode` as
any other.
"""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from speechmoe_espnet.corpora.synthetic.corpus_plan import Utterance
from speechmoe_espnet.corpora.synthetic.generate import generate, plan_corpus, write_sets
from speechmoe_espnet.corpora.synthetic.presets import STYLES, get_preset
from speechmoe_espnet.corpora.synthetic.randomness import rng_for
from speechmoe_espnet.corpora.synthetic.voices import make_speakers
from speechmoe_espnet.data.segmentation import segment
from speechmoe_espnet.data.text_norm import normalize_text
from speechmoe_espnet.system.cli import ArgumentParser, progress, run

PIECES: dict[str, Callable[[str], Sequence[str]]] = {"words": segment, "characters": normalize_text}


def get_parser() -> ArgumentParser:
    """Return the options."""
    parser = ArgumentParser(prog="seen_speakers", description=__doc__.splitlines()[0])
    parser.add_argument("--voices", choices=("train", "dev"), required=True, help="whose voices")
    parser.add_argument(
        "--shuffle", choices=PIECES, help="what changes its place with others of the style"
    )
    parser.add_argument("--utts", type=int, default=300, help="utterances of each style")
    parser.add_argument(
        "--preset", default="small", help="preset of the corpus that was trained on"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of that corpus")
    parser.add_argument("--output_dir", type=Path, required=True, help="gets wav/ and dev/")
    return parser


def make(args: argparse.Namespace) -> None:
    """Plan, speak and write the set.

    Args:
        args: What the parser returned.

    Raises:
        ValueError: An option is out of range.
    """
    preset = get_preset(args.preset)
    planned = dataclasses.replace(preset, train_utts=1, dev_utts=args.utts, lm_written=0, lm_made=0)
    speakers = {
        style: make_speakers(style, args.voices, preset.num_speakers(args.voices), args.seed)
        for style in STYLES
    }
    utterances = []
    dev = [u for u in plan_corpus(list(STYLES), planned, args.seed) if u.partition == "dev"]
    for index, utterance in enumerate(dev):
        of_style = speakers[utterance.style]
        speaker = of_style[index % len(of_style)]
        name = f"{speaker.name}_{index:06d}"
        utterances.append(dataclasses.replace(utterance, name=name, speaker=speaker))
    if args.shuffle:
        utterances = shuffled(utterances, PIECES[args.shuffle], args.seed)
    for _ in progress(
        generate(utterances, args.output_dir, args.seed), len(utterances), "utterances"
    ):
        pass
    write_sets(utterances, args.output_dir, str(args.output_dir.resolve()))


def shuffled(
    utterances: Sequence[Utterance], cut: Callable[[str], Sequence[str]], seed: int
) -> list[Utterance]:
    """Deal the pieces of a style's sentences out anew; each keeps its number of pieces.

    Args:
        utterances: What would be said; punctuation, and so its pauses, is left out.
        cut: Cuts a sentence into pieces.
        seed: Seed of the order.
    """
    sentences = [cut(utterance.text) for utterance in utterances]
    pieces: dict[str, list[str]] = {style: [] for style in STYLES}
    for utterance, sentence in zip(utterances, sentences, strict=True):
        pieces[utterance.style].extend(sentence)
    for style, of_style in pieces.items():
        rng_for(seed, "shuffle", style).shuffle(of_style)
    return [
        dataclasses.replace(u, text="".join(pieces[u.style].pop() for _ in sentence))
        for u, sentence in zip(utterances, sentences, strict=True)
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example; see `--help`."""
    return run(make, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
