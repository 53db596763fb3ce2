"""Say sentences by natural voices into a Kaldi directory that grows; the same command goes on."""

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from speechmoe_espnet.data.worker_options import add_worker_options, workers_of
from speechmoe_espnet.system import cli

_BATCH = 64


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(prog="make_speech", description=__doc__)
    parser.add_argument(
        "--voices_dir",
        type=Path,
        required=True,
        help="folder of a model and its styles; fetch_voices makes one",
    )
    parser.add_argument(
        "--texts", type=Path, nargs="*", default=[], help="text files; only Hanzi are said"
    )
    parser.add_argument(
        "--styles",
        nargs="*",
        default=[],
        help="styles of the synthetic corpus (read, chat, spon, aishell2) as more text",
    )
    parser.add_argument("--num_utts", type=int, required=True, help="number of utterances")
    parser.add_argument("--num_speakers", type=int, default=240, help="number of mixed speakers")
    parser.add_argument(
        "--base_voices",
        choices=["all", "train"],
        default="train",
        help="voices to mix: those of train, so that the dev and evaluation sets of "
        "prepare_corpus stay unheard, or all",
    )
    parser.add_argument("--seed", type=int, default=0, help="decides speakers and order")
    add_worker_options(parser)
    parser.add_argument(
        "--output_dir", type=Path, required=True, help="Kaldi directory, with its audio in speech/"
    )
    return parser


def make(args: argparse.Namespace) -> None:
    """Make the speech.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        ValueError: An option is not valid.
        FileNotFoundError: A text file does not exist.
    """
    from speechmoe_espnet.corpora.synthetic import growing_dir, mixed_voices
    from speechmoe_espnet.corpora.synthetic.presets import check_styles
    from speechmoe_espnet.corpora.synthetic.speech_plan import Line, plan_speech
    from speechmoe_espnet.corpora.synthetic.spoken import Spoken

    _check(args)
    styles = check_styles(args.styles) if args.styles else []
    spoken = Spoken(args.voices_dir, args.output_dir / "speech")
    voices = mixed_voices.mix_voices(
        mixed_voices.ALL, args.base_voices, args.num_speakers, args.seed, spoken.voices.styles
    )
    sources = " ".join([path.stem for path in args.texts] + styles)
    growing_dir.check_options(
        args.output_dir,
        f"model {spoken.voices.digest[:12]}, {args.num_speakers} speakers of "
        f"{args.base_voices}, seed {args.seed}, text of {sources}",
    )
    plan = plan_speech(args.texts, styles, voices, spoken.voices.vocabulary, args.seed)
    lines: list[Line] = []
    clock = _Clock(args.num_utts)
    with workers_of(args) as workers:
        while batch := list(islice(plan, min(_BATCH, args.num_utts - len(lines)))):
            lines += batch
            missing = spoken.missing([line.saying for line in batch])
            made = list(spoken.say_all(missing, workers))
            if made or len(lines) == args.num_utts:
                growing_dir.write_lines(args.output_dir, lines, spoken)
                clock.tell(len(lines), made)
    growing_dir.write_lines(args.output_dir, lines, spoken)
    print(f"{args.output_dir}: {len(lines)} utterances, {args.num_speakers} speakers")


def _check(args: argparse.Namespace) -> None:
    for name in ("num_utts", "num_speakers", "nj"):
        if getattr(args, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(args, name)}")
    if not args.texts and not args.styles:
        raise ValueError("nothing to say; name text files by --texts or styles by --styles")
    for path in args.texts:
        if not path.is_file():
            raise FileNotFoundError(f"no text file {path}")


class _Clock:
    """Measures what this run makes, and says when it will have finished."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._begun = time.monotonic()
        self._first: int | None = None
        self._speech = 0.0

    def tell(self, done: int, made: Sequence[float]) -> None:
        """Print a line.

        Args:
            done: Number of utterances there are.
            made: Seconds of speech that were made since the last call.
        """
        if self._first is None:
            self._first = done - len(made)
        self._speech += sum(made)
        passed = time.monotonic() - self._begun
        if done == self._first:
            print(f"{done}/{self._total} utterances were there", flush=True)
            return
        left = passed / (done - self._first) * (self._total - done)
        rate = f", {passed / self._speech:.2f} x real time" if self._speech else ""
        print(
            f"{done}/{self._total} utterances, {self._speech / 3600:.2f} h made in this run{rate}, "
            f"{left / 3600:.1f} h left",
            flush=True,
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    return cli.run(make, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
