"""Build the decoding graph HLG from a lexicon, an n-gram model and a token list."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.system import cli


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="make_graph",
        description="Build the decoding graph HLG from CTC topology, lexicon and n-gram model.",
    )
    parser.add_argument("--lexicon", type=Path, required=True, help="lexicon.txt (make_lexicon)")
    parser.add_argument(
        "--arpa", type=Path, required=True, help="ARPA file of the n-gram model over words"
    )
    parser.add_argument(
        "--token_list", type=Path, required=True, help="tokens.txt of the model to decode with"
    )
    parser.add_argument(
        "--order", type=int, help="required order of the n-gram model (default: any)"
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="directory to write")
    return parser


def make_graph(args: argparse.Namespace) -> None:
    """Build and write a graph.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: An input does not exist.
        ValueError: An input is not valid, or the inputs do not belong together.
    """
    from speechmoe_espnet.data.lexicon import Lexicon
    from speechmoe_espnet.data.tokens import TokenList
    from speechmoe_espnet.decode.graph.build import build_graph
    from speechmoe_espnet.decode.graph.directory import write_graph

    tokens = TokenList.load(args.token_list)
    lexicon = Lexicon.load(args.lexicon)
    try:
        lexicon.check_units(tokens.units)
    except ValueError as error:
        raise ValueError(f"{args.lexicon}: {error}") from None
    graph = build_graph(
        lexicon.entries,
        args.arpa,
        tokens.tokens,
        order=args.order,
        report=lambda line: print(line, flush=True),
    )
    for words, problem in (
        (graph.words_without_pronunciation, "of the n-gram model have no pronunciation"),
        (graph.words_without_probability, "of the lexicon are not in the n-gram model"),
    ):
        if words:
            shown = " ".join(words[:10])
            print(f"{len(words)} words {problem} and cannot be found: {shown} ...", flush=True)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    summary = write_graph(args.output_dir, graph, lexicon, tokens, args.arpa)
    print(
        f"graph of order {graph.order}: {summary['words']} words, {summary['states']} states, "
        f"{summary['arcs']} arcs, {summary['bytes'] / 2**20:.0f} MiB, {summary['seconds']} s, "
        f"peak memory {summary['peak_memory_mib']} MiB"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    return cli.run(make_graph, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
