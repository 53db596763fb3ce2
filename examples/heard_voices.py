"""Makes a data directory of new sentences in voices that training has heard, or in those of dev.

    python examples/heard_voices.py --voices train --output_dir heard
    python examples/heard_voices.py --voices dev --output_dir unheard

Sentences, rooms and noise are those of the dev partition in both, so what differs between two error
rates is whether the model knows the voices. The directories go through `extract_features`,
`make_units` (`--token_list`) and `decode` as any other.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.bin.cli import ArgumentParser, progress, run
from speechmoe_espnet.corpora.synthetic.generate import generate, plan_corpus, write_sets
from speechmoe_espnet.corpora.synthetic.presets import STYLES, get_preset
from speechmoe_espnet.corpora.synthetic.voices import make_speakers


def get_parser() -> ArgumentParser:
    """Return the options."""
    parser = ArgumentParser(prog="heard_voices", description=__doc__.splitlines()[0])
    parser.add_argument("--voices", choices=("train", "dev"), required=True, help="whose voices")
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
    for _ in progress(
        generate(utterances, args.output_dir, args.seed, nj=1), len(utterances), "utterances"
    ):
        pass
    write_sets(utterances, args.output_dir, str(args.output_dir.resolve()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example; see `--help`."""
    return run(make, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
