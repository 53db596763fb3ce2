"""Utterances of a data directory, in batches of similar length, loaded one batch at a time.

Batches depend on the lengths and the configuration alone, so results do not depend on the number of
processes.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.audio import AudioInfo, audio_info, read_audio
from speechmoe_espnet.data.fbank_config import MEAN
from speechmoe_espnet.data.kaldi_dir import TO_THE_END, Segment, check_same_ids
from speechmoe_espnet.data.matrix_file import read_matrix
from speechmoe_espnet.data.samples import as_float, resampled
from speechmoe_espnet.data.table import join_error, read_scp, read_table

FRAMES_PER_SECOND = 100


@dataclass(frozen=True, slots=True)
class Utterance:
    """Location of the input of an utterance.

    Attributes:
        name: Utterance id.
        source: The table that lists it, for messages.
        location: `file.ark:offset` of its features, or its audio file.
        seconds: Duration in seconds.
        sample_rate: Sample rate of audio in Hz, None for features.
        start: Start in the audio file, in seconds.
        end: End in the audio file, in seconds; -1 for the end of the file.
    """

    name: str
    source: Path
    location: str
    seconds: float
    sample_rate: int | None = None
    start: float = 0.0
    end: float = TO_THE_END

    @property
    def num_frames(self) -> int:
        """Duration in frames of 10 ms, rounded, at least 1."""
        return max(1, round(self.seconds * FRAMES_PER_SECOND))

    def load(self) -> NDArray[np.float32]:
        """Read features (frames, bins) or samples (num_samples,).

        Audio of another sample rate is converted, and channels are averaged.

        Raises:
            ValueError: The input cannot be read, contains a value that is not finite or has
                another length than its table says; the message names the file and the utterance.
        """
        try:
            if self.sample_rate is None:
                features = read_matrix(self.location)
                if self.seconds and len(features) != self.num_frames:
                    raise ValueError(
                        f"has {len(features)} frames where utt2num_frames says {self.num_frames}; "
                        f"extract the features again (stage 2), or remove utt2num_frames"
                    )
                return features
            samples, rate = read_audio(self.location, self.start, self.end, MEAN)
            return as_float(resampled(samples, rate, self.sample_rate))
        except (ValueError, OSError) as error:
            raise ValueError(f"{self.source}: {self.name}: {self.location}: {error}") from None


def list_features(data_dir: Path) -> list[Utterance]:
    """List the utterances of a directory with `feats.scp` and, if present, `utt2num_frames`.

    Args:
        data_dir: A Kaldi data directory.

    Returns:
        Utterances sorted by id; without `utt2num_frames` all features are read to count frames.

    Raises:
        FileNotFoundError: There is no `feats.scp`.
        ValueError: A table is not valid or empty, or the two have different ids.
    """
    scp = data_dir / "feats.scp"
    if not scp.is_file():
        raise FileNotFoundError(f"no file {scp}; extract features first (stage 2 of a recipe)")
    locations = read_scp(scp)
    lengths_path = data_dir / "utt2num_frames"
    if lengths_path.is_file():
        lengths = _read_lengths(lengths_path)
        check_same_ids(scp, locations, lengths_path, lengths)
    else:
        lengths = {}
        for name, location in locations.items():
            lengths[name] = len(Utterance(name, scp, location, 0.0).load())
    return [
        Utterance(name, scp, locations[name], lengths[name] / FRAMES_PER_SECOND)
        for name in sorted(locations)
    ]


def list_audio(data_dir: Path, sample_rate: int) -> list[Utterance]:
    """List the utterances of a directory with `wav.scp` and, if present, `segments`.

    Args:
        data_dir: A Kaldi data directory.
        sample_rate: Sample rate of the model in Hz.

    Returns:
        Utterances sorted by id.

    Raises:
        FileNotFoundError: There is no `wav.scp`.
        ValueError: A table is not valid or empty, a segment's recording is missing, or an audio
            file cannot be read.
    """
    scp = data_dir / "wav.scp"
    if not scp.is_file():
        raise FileNotFoundError(f"no file {scp}; the model takes audio, prepare data first")
    recordings = read_scp(scp)
    infos = {name: _info(scp, name, path) for name, path in recordings.items()}
    _say_what_is_converted(scp, infos.values(), sample_rate)
    seconds = {name: info.seconds for name, info in infos.items()}
    source = data_dir / "segments"
    if not source.is_file():
        return [
            Utterance(name, scp, recordings[name], seconds[name], sample_rate)
            for name in sorted(recordings)
        ]
    utterances = []
    for name, value in sorted(read_table(source).items()):
        try:
            part = Segment.parse(value)
        except ValueError as error:
            raise ValueError(f"{source}: {name}: {error}") from None
        if part.recording not in recordings:
            raise join_error(scp, f"lacks recordings that {source.name} names:", [part.recording])
        end = seconds[part.recording] if part.end == TO_THE_END else part.end
        utterances.append(
            Utterance(
                name,
                source,
                recordings[part.recording],
                end - part.start,
                sample_rate,
                part.start,
                part.end,
            )
        )
    return utterances


class Sized(Protocol):
    """What `make_batches` groups."""

    @property
    def name(self) -> str:
        """Unique name; decides between equal lengths."""

    @property
    def num_frames(self) -> int:
        """Duration in frames of 10 ms."""


def make_batches[T: Sized](utterances: Sequence[T], batch_frames: int) -> list[list[T]]:
    """Group utterances of similar length, longest first.

    Args:
        utterances: Utterances in any order.
        batch_frames: Maximum number of frames in a batch, padding included; a longer utterance is
            a batch of its own.

    Returns:
        Batches; they depend on the set of utterances, not on its order.
    """
    batches: list[list[T]] = []
    for utterance in sorted(utterances, key=lambda utt: (-utt.num_frames, utt.name)):
        if batches:
            longest = batches[-1][0].num_frames
            if longest * (len(batches[-1]) + 1) <= batch_frames:
                batches[-1].append(utterance)
                continue
        batches.append([utterance])
    return batches


def _read_lengths(path: Path) -> dict[str, int]:
    lengths = {}
    for name, value in read_table(path).items():
        if not value.isdecimal() or int(value) < 1:
            raise ValueError(f"{path}: {name}: expected a number of frames, got {value!r}")
        lengths[name] = int(value)
    return lengths


def _info(scp: Path, name: str, path: str) -> AudioInfo:
    try:
        return audio_info(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"{scp}: {name}: {path}: {error}") from None


def _say_what_is_converted(scp: Path, infos: Iterable[AudioInfo], sample_rate: int) -> None:
    found = Counter(
        f"{info.rate} Hz with {info.channels} channel{'s' * (info.channels > 1)}"
        for info in infos
        if info.rate != sample_rate or info.channels > 1
    )
    if found:
        kinds = ", ".join(f"{count} of {kind}" for kind, count in sorted(found.items()))
        print(
            f"{scp}: recordings are converted to {sample_rate} Hz and one channel: {kinds}",
            file=sys.stderr,
        )
