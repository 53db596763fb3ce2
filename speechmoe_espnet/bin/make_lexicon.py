"""Make the lexicon of a vocabulary, for the search over words."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.data import text_file
from speechmoe_espnet.data.lexicon_build import MOST_PRONUNCIATIONS, build_lexicon, spell_lexicon
from speechmoe_espnet.data.text_options import add_simplify_option
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.lm.sentences import read_lines
from speechmoe_espnet.system import cli


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="make_lexicon",
        description="Write lexicon.txt (lines `word token token ...`, one per pronunciation) and "
        "oov.txt (words that the tokens cannot write, with counts) of a vocabulary.",
    )
    parser.add_argument(
        "--words",
        required=True,
        help="vocabulary: one word per line; either all words have a count or none has",
    )
    parser.add_argument(
        "--texts",
        nargs="*",
        default=[],
        help="files in which pronunciations are observed: Kaldi tables (named text, with ids) or "
        "plain text (one sentence per line)",
    )
    parser.add_argument(
        "--token_type",
        choices=("syllable_phone", "char"),
        default="syllable_phone",
        help="kind of tokens; a word is written by its pronunciations or by its characters",
    )
    parser.add_argument("--token_list", required=True, help="tokens.txt of the model")
    parser.add_argument(
        "--max_pronunciations",
        type=int,
        default=MOST_PRONUNCIATIONS,
        help="maximum number of pronunciations per word",
    )
    add_simplify_option(parser)
    parser.add_argument("--output_dir", required=True, help="directory to write")
    return parser


def make(args: argparse.Namespace) -> None:
    """Make the lexicon and print its coverage of the vocabulary."""
    tokens = TokenList.load(args.token_list)
    words = _read_words(Path(args.words))
    texts = [line for path in args.texts for line in read_lines(path, simplified=args.simplify)]
    try:
        if args.token_type == "char":
            build = spell_lexicon(words, units=tokens.units)
        else:
            build = build_lexicon(
                words, texts, units=tokens.units, max_pronunciations=args.max_pronunciations
            )
    except ValueError as error:
        raise ValueError(f"{args.words}: {error}") from None
    output_dir = Path(args.output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    build.lexicon.write(output_dir / "lexicon.txt")
    oov = "".join(f"{word} {count}\n" for word, count in build.oov)
    (output_dir / "oov.txt").write_text(oov, encoding="utf-8")
    print(f"{len(build.lexicon)} words, {build.lexicon.num_pronunciations} pronunciations")
    share = 100 * build.num_oov / build.num_words if build.num_words else 0.0
    shown = ", ".join(f"{word} {count}" for word, count in build.oov[:10])
    more = ", ..." if len(build.oov) > 10 else ""
    print(
        f"{len(build.oov)} words out of vocabulary, {build.num_oov} of {build.num_words} "
        f"occurrences ({share:.2f} %){': ' + shown + more if shown else ''}"
    )
    print(
        f"left out: {build.num_dropped} pronunciations with units not in the token list "
        f"({build.num_dropped_occurrences} occurrences), {build.num_over_bound} over the "
        f"limit of {args.max_pronunciations} per word"
    )


def _read_words(path: Path) -> dict[str, int] | list[str]:
    """Read a word list; only lists with counts give a mapping.

    Raises:
        ValueError: A line has more than a word and a count, or only some have a count.
    """
    counts: dict[str, int] = {}
    words: list[str] = []
    for number, line in enumerate(text_file.read_lines(path), start=1):
        fields = line.split()
        if len(fields) == 2 and fields[1].isascii() and fields[1].isdigit():
            if fields[0] in counts:
                raise ValueError(f"{path}, line {number}: {fields[0]} is listed twice")
            counts[fields[0]] = int(fields[1])
        elif len(fields) != 1:
            raise ValueError(f"{path}, line {number}: expected a word and its count, got {line!r}")
        words.append(fields[0])
        if counts and len(words) != len(counts):
            raise ValueError(
                f"{path}, line {number}: {fields[0]}: either all words have a count or none has"
            )
    return counts or words


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return cli.run(make, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
