"""Stage 4: shapes, means and variances of a corpus, the files that ESPnet collects, without ESPnet.

ESPnet's `--collect_stats` builds a model and batches to add up what lies in the arks already. Here
the arks are read and added up directly, in ESPnet's order and precision, so that the files are
the same to the byte.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.ark import decompressed_matrix
from speechmoe_espnet.data.matrix_file import split_location
from speechmoe_espnet.data.placeholder import PLACEHOLDER_BYTES, placeholder
from speechmoe_espnet.data.special_file import special_file
from speechmoe_espnet.data.stats_file import FEATS_STATS
from speechmoe_espnet.data.table import join_error, read_scp, read_table, write_table
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.data.units import BpeTokenizer
from speechmoe_espnet.pipeline.pool import ONE_PROCESS
from speechmoe_espnet.pipeline.workers import Job, Progress, Workers, no_progress

UTTERANCES_A_PART = 24000
_COMPRESSED = b"\0BCM "
_SETS = ("train", "valid")


@dataclass(frozen=True)
class SetFiles:
    """What the statistics of one set are made from.

    Attributes:
        feats_scp: Compressed features, as stage 2 writes them.
        text: Transcripts, or for words transcripts in units.
    """

    feats_scp: Path
    text: Path


@dataclass(frozen=True)
class _Sums:
    """Sums over frames (B = width of the features) and over utterances.

    Attributes:
        lengths: Number of frames of each utterance.
        frames: Sum of all frames, (B,) float32.
        squares: Sum of their squares, (B,) float32.
    """

    lengths: dict[str, int]
    frames: NDArray[np.float32]
    squares: NDArray[np.float32]


def collect_stats(
    train: SetFiles,
    dev: SetFiles,
    token_list: Path,
    token_type: str,
    output_dir: Path,
    workers: Workers = ONE_PROCESS,
    bpe_model: Path | None = None,
    utterances_a_part: int = UTTERANCES_A_PART,
    progress: Progress = no_progress,
) -> None:
    """Write `train/` and `valid/` as ESPnet's statistics stage does.

    Each gets speech_shape, text_shape, text_shape.units (with the number of units, as ESPnet's
    batch samplers want it), feats_stats.npz and feats_lengths_stats.npz.

    Args:
        train: Files of the training set.
        dev: Files of the development set.
        token_list: tokens.txt.
        token_type: "char", "bpe" or "word".
        output_dir: Directory to write.
        workers: Processes that add up; the written bytes do not depend on them.
        bpe_model: SentencePiece model, for bpe.
        utterances_a_part: Training utterances that are added up at a time.
        progress: Shows the progress.

    Raises:
        FileNotFoundError: A file does not exist.
        ValueError: A set has no utterances, its text and features name different ones, features
            are not compressed by stage 2, or the token type is not one of the three.
    """
    tables = [read_scp(files.feats_scp, allow_empty=True) for files in (train, dev)]
    for files, table in zip((train, dev), tables, strict=True):
        if not table:
            raise ValueError(f"no utterances in {files.feats_scp}")
    # As many parts of both sets, none of them empty: the data alone decide how sums are rounded.
    num_parts = min(-(-len(tables[0]) // utterances_a_part), len(tables[1]))
    tasks = [part for table in tables for part in _parts(table, num_parts)]
    try:
        done = workers.map(Job(_add_up, kind="statistics", split=_utterances_of), tasks)
        sums = list(progress(done, len(tasks), f"parts of {utterances_a_part} utterances"))
    except ValueError as error:
        raise ValueError(f"{train.feats_scp} and {dev.feats_scp}: {error}") from None
    num_units = len(TokenList.load(token_list))
    for place, (name, files) in enumerate(zip(_SETS, (train, dev), strict=True)):
        folder = output_dir / name
        folder.mkdir(parents=True, exist_ok=True)
        _write_sums(folder, sums[place * num_parts : (place + 1) * num_parts])
        lengths = _text_lengths(files, tables[place], token_type, bpe_model)
        write_table(folder / "text_shape", {key: str(n) for key, n in lengths.items()})
        write_table(
            folder / "text_shape.units", {key: f"{n},{num_units}" for key, n in lengths.items()}
        )


def _parts(table: Mapping[str, str], num_parts: int) -> Iterator[list[tuple[str, str]]]:
    """Cut a table into consecutive parts of equal size, give or take one."""
    entries = list(table.items())
    # Entry i lies in part floor(i * num_parts / len(entries)).
    borders = [-(-part * len(entries) // num_parts) for part in range(num_parts + 1)]
    for first, last in pairwise(borders):
        yield entries[first:last]


def _add_up(entries: Sequence[tuple[str, str]]) -> _Sums:
    lengths: dict[str, int] = {}
    frames = squares = np.zeros(0, np.float32)
    for name, features in _read(entries):
        if not lengths:
            frames = squares = np.zeros(features.shape[1], np.float32)
        elif features.shape[1] != len(frames):
            width = features.shape[1]
            raise ValueError(f"{name}: {width} values a frame, others have {len(frames)}")
        lengths[name] = len(features)
        with np.errstate(over="ignore", invalid="ignore"):
            square = np.square(features).sum(0)
            if not np.isfinite(square).all():
                raise ValueError(
                    f"{name}: has values that are not finite, or far too large; make its features "
                    f"again by stage 2"
                )
        frames = frames + features.sum(0)
        squares = squares + square
    return _Sums(lengths, frames, squares)


def _utterances_of(entries: Sequence[tuple[str, str]]) -> dict[str, Sequence[tuple[str, str]]]:
    return {entry[0]: [entry] for entry in entries}


def _read(entries: Sequence[tuple[str, str]]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Read matrices; neighbours lie in one ark, which is kept in memory meanwhile."""
    path, content = "", memoryview(b"")
    for name, entry in entries:
        try:
            ark, begin = split_location(entry)
            if ark != path:
                if reason := special_file(ark):
                    raise ValueError(reason)
                path, content = ark, memoryview(Path(ark).read_bytes())
            header = bytes(content[begin : begin + len(_COMPRESSED)])
            if header != _COMPRESSED:
                stands_in = placeholder(bytes(content[:PLACEHOLDER_BYTES]))
                raise ValueError(stands_in or "no compressed features")
            matrix = decompressed_matrix(content[begin + len(_COMPRESSED) :])
        except (ValueError, OSError) as error:
            raise ValueError(f"{name} ({entry}): {error}; make the features by stage 2") from None
        yield name, matrix


def _write_sums(folder: Path, parts: Sequence[_Sums]) -> None:
    frames, squares = parts[0].frames, parts[0].squares
    for part in parts[1:]:
        frames = frames + part.frames
        squares = squares + part.squares
    lengths = {name: count for part in parts for name, count in part.lengths.items()}
    width = len(frames)
    write_table(folder / "speech_shape", {name: f"{n},{width}" for name, n in lengths.items()})
    counts = np.array(list(lengths.values()), np.int64)
    np.savez(folder / FEATS_STATS, count=int(counts.sum()), sum=frames, sum_square=squares)
    np.savez(
        folder / "feats_lengths_stats.npz",
        count=len(counts),
        sum=counts.sum(),
        sum_square=np.square(counts).sum(),
    )


def _text_lengths(
    files: SetFiles, scp: Mapping[str, str], token_type: str, bpe_model: Path | None
) -> dict[str, int]:
    """Count the units of each transcript, in the order of the features."""
    text = read_table(files.text)
    if unmatched := scp.keys() ^ text.keys():
        raise join_error(files.text, f"joins {files.feats_scp} but for the utterances", unmatched)
    if token_type == "char":
        return {name: len(text[name]) for name in scp}
    if token_type == "word":
        return {name: len(text[name].split()) for name in scp}
    if token_type == "bpe" and bpe_model is not None:
        tokenizer = BpeTokenizer.load(bpe_model)
        return {name: len(tokenizer.text_to_units(text[name])) for name in scp}
    raise ValueError(f"token type must be char, word or, with its model, bpe; got {token_type!r}")
