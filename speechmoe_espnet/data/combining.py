"""Several Kaldi data directories in one, as Kaldi's combine_data.sh makes it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from speechmoe_espnet.data.kaldi_dir import DataDir, Segment


@dataclass(frozen=True)
class Source:
    """A directory that goes into another one.

    Attributes:
        name: What ids of its utterances, recordings and speakers begin with.
        data: The directory.
        copies: How often its utterances are taken: a small source among large ones counts more.
    """

    name: str
    data: DataDir
    copies: int = 1


def combine(path: Path, sources: Sequence[Source]) -> DataDir:
    """Return the utterances of all sources, with ids that differ and absolute paths.

    Copy k of a source has ids NAMEk-ID, k from 0; a source that is taken once has NAME-ID. The
    result has segments if a source has; recordings without are taken whole.

    Args:
        path: Path of the result.
        sources: The directories.

    Raises:
        ValueError: Two sources have one name, a number of copies is below 1, or there is no source.
    """
    wav_scp: dict[str, str] = {}
    text: dict[str, str] = {}
    utt2spk: dict[str, str] = {}
    segments: dict[str, Segment] = {}
    prefixes = [prefix for source in sources for prefix in _prefixes(source)]
    if twice := sorted({prefix for prefix in prefixes if prefixes.count(prefix) > 1}):
        raise ValueError(f"two sources are called {twice[0]}; give one of them another name")
    for source in sources:
        data = source.data if source.data.sorts_by_speaker else source.data.with_speakers_first()
        where = {name: _absolute(data.path, wav) for name, wav in data.wav_scp.items()}
        for prefix in _prefixes(source):
            wav_scp |= {f"{prefix}-{name}": wav for name, wav in where.items()}
            text |= {f"{prefix}-{name}": words for name, words in data.text.items()}
            utt2spk |= {f"{prefix}-{name}": f"{prefix}-{who}" for name, who in data.utt2spk.items()}
            spans = data.segments or {name: Segment.whole(name) for name in data.text}
            segments |= {
                f"{prefix}-{name}": replace(span, recording=f"{prefix}-{span.recording}")
                for name, span in spans.items()
            }
    if all(source.data.segments is None for source in sources):
        return DataDir(path, wav_scp, text, utt2spk)
    return DataDir(path, wav_scp, text, utt2spk, segments)


def _prefixes(source: Source) -> list[str]:
    if source.copies < 1:
        raise ValueError(f"{source.name}: copies must be at least 1, got {source.copies}")
    if source.copies == 1:
        return [source.name]
    return [f"{source.name}{copy}" for copy in range(source.copies)]


def _absolute(folder: Path, wav: str) -> str:
    """Return the path of an audio file, which starts here (as in Kaldi) or at its directory."""
    return os.path.abspath(wav if Path(wav).exists() else folder / wav)
