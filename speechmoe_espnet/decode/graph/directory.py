"""Decoding graph on disk, and the check that it belongs to the model.

A graph reads unit ids. With the token list of another model the search would run and write
nonsense. A graph therefore stores its token list and is refused if the model has another one; a
list that goes on after it, with tokens that the graph does not read, is none. It also stores the
checksums of its files, and is refused if one of them was changed.
"""

import gzip
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from speechmoe_espnet.data.checksums import check_checksums, file_sha256, write_checksums
from speechmoe_espnet.data.lexicon import Lexicon
from speechmoe_espnet.data.text_file import read_text
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.decode.graph.build import BuiltGraph
from speechmoe_espnet.decode.graph.fst_arrays import FstArrays
from speechmoe_espnet.decode.graph.lexicon_fst import WordList
from speechmoe_espnet.system.memory import resident_bytes

FST, WORDS, TOKENS, LEXICON, SUMMARY = (
    "HLG.fst",
    "words.txt",
    "tokens.txt",
    "lexicon.txt",
    "graph.json",
)
FILES = (FST, WORDS, TOKENS, LEXICON, SUMMARY)
GRAMMAR = "lm.arpa.gz"
"""The n-gram, of which another graph can be made; a search does not need it."""


@dataclass(frozen=True)
class Graph:
    """A decoding graph in memory.

    Attributes:
        fst: HLG.
        words: Its words by id.
        lexicon: The pronunciations it was built from.
        tokens: Tokens of the model that is decoded with; where none was named, of the one that it
            was built for.
    """

    fst: FstArrays
    words: WordList
    lexicon: Lexicon
    tokens: TokenList

    @classmethod
    def load(cls, directory: str | Path, tokens: Sequence[str] | None = None) -> Self:
        """Read a graph.

        Args:
            directory: Directory that `write_graph` wrote.
            tokens: Tokens of the model to decode with; None skips the check.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: The graph is damaged, or was built for another model.
        """
        directory = Path(directory)
        for name in FILES:
            if not (directory / name).is_file():
                raise FileNotFoundError(
                    f"no file {directory / name}; {directory} must be a finished graph (made by "
                    f"`python -m speechmoe_espnet.bin.make_graph`, a stage of the recipes)"
                )
        check_checksums(
            directory, FILES, "remove the graph and make it again (stage 7 of a recipe)"
        )
        token_list = TokenList.load(directory / TOKENS)
        if tokens is not None and not _goes_on(tuple(tokens), token_list.tokens):
            raise ValueError(
                f"{directory}: built for another model: {_difference(tokens, token_list.tokens)}; "
                f"build it with the model's tokens.txt"
            )
        fst = FstArrays.read(directory / FST)
        words = WordList.from_text(read_text(directory / WORDS))
        if not len(fst.final) or not 0 <= fst.start < len(fst.final):
            raise ValueError(
                f"{directory / FST}: has no states to start from; build the graph again"
            )
        # Who decodes has a column for each of its own tokens.
        used = token_list if tokens is None else TokenList(tuple(tokens))
        return cls(fst, words, Lexicon.load(directory / LEXICON), used)


def write_graph(
    directory: str | Path,
    graph: BuiltGraph,
    lexicon: Lexicon,
    tokens: TokenList,
    arpa: str | Path,
) -> dict[str, Any]:
    """Write a graph with its lexicon, words, token list and n-gram.

    Args:
        directory: Existing output directory.
        graph: The graph.
        lexicon: Its lexicon.
        tokens: Its token list.
        arpa: Its n-gram, which may be the copy in the directory already; the digest is recorded.

    Returns:
        Contents of graph.json: sizes, seconds, memory and digests.
    """
    directory = Path(directory)
    graph.fst.write(directory / FST)
    (directory / WORDS).write_text(graph.words.to_text(), encoding="utf-8")
    tokens.write(directory / TOKENS)
    lexicon.write(directory / LEXICON)
    _keep(Path(arpa), directory / GRAMMAR)
    summary = {
        "states": len(graph.fst.final),
        "arcs": len(graph.fst.arcs),
        "words": len(graph.words.words),
        "order": graph.order,
        "num_ngrams": graph.num_ngrams,
        "num_pronunciations": lexicon.num_pronunciations,
        "words_without_pronunciation": len(graph.words_without_pronunciation),
        "words_without_probability": len(graph.words_without_probability),
        "bytes": (directory / FST).stat().st_size,
        "seconds": round(sum(step[3] for step in graph.steps), 2),
        "peak_memory_mib": resident_bytes(peak=True) // 2**20,
        "steps": [
            {"name": name, "states": states, "arcs": arcs, "seconds": seconds}
            for name, states, arcs, seconds in graph.steps
        ],
        "sha256": {
            "tokens": file_sha256(directory / TOKENS),
            "lexicon": file_sha256(directory / LEXICON),
            "arpa": file_sha256(Path(arpa)),
        },
    }
    text = json.dumps(summary, ensure_ascii=False, indent=1)
    (directory / SUMMARY).write_text(text + "\n", encoding="utf-8")
    write_checksums(directory, FILES)
    return summary


def _keep(arpa: Path, copy: Path) -> None:
    if arpa.suffix != copy.suffix:
        copy.write_bytes(gzip.compress(arpa.read_bytes(), 6, mtime=0))
    elif arpa.resolve() != copy.resolve():
        shutil.copyfile(arpa, copy)


def _goes_on(model: tuple[str, ...], graph: tuple[str, ...]) -> bool:
    """Whether a model has the tokens of a graph by id; `<sos/eos>`, which is last, is not read."""
    return model[: len(graph) - 1] == graph[:-1] and model[-1:] == graph[-1:]


def _difference(model: Sequence[str], graph: Sequence[str]) -> str:
    for number, (ours, theirs) in enumerate(zip(model, graph, strict=False)):
        if ours != theirs:
            return f"token {number} is {ours} in the model and {theirs} in the graph"
    return f"the model has {len(model)} tokens, the graph {len(graph)}"
