"""Conversion of lhotse manifests to Kaldi data directories; unusable data is an error."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.kaldi_dir import DataDir, Segment, join_error

_WHOLE_RECORDING_TOLERANCE_S = 0.02
_SHOWN = 5

logger = logging.getLogger(__name__)


def data_dir_from_manifests(
    what: str,
    manifests: Sequence[Mapping[str, Any]],
    markup: str | None = None,
    left_out: dict[str, str] | None = None,
) -> DataDir:
    """Convert lhotse's recordings and supervisions to a data directory.

    If each utterance is a whole recording, recordings get the ids of the utterances; otherwise the
    directory has segments. An utterance without a speaker has the id of its recording as speaker.

    Args:
        what: Name of the set in messages.
        manifests: Dictionaries with `recordings` and `supervisions`.
        markup: Pattern of what transcripts hold and nobody says; it is removed and counted. An
            utterance that has nothing else, or no transcript at all, is left out, with a warning.
        left_out: Where to put why an utterance cannot be used, to go on without it; None: that is
            an error.

    Raises:
        ValueError: There are no utterances, an id occurs twice, no transcript is left, a
            recording is not one file of one channel, or an utterance names no
            recording.
        FileNotFoundError: An audio file does not exist.
    """
    recordings: dict[str, Any] = {}
    text: dict[str, str] = {}
    utt2spk: dict[str, str] = {}
    spans: dict[str, Any] = {}
    marks = re.compile(markup or r"(?!)")
    num_marks = 0
    for manifest in manifests:
        for recording in manifest["recordings"]:
            if recording.id in recordings:
                raise join_error(what, "has recordings twice:", [recording.id])
            recordings[recording.id] = recording
        for span in manifest["supervisions"]:
            name = span.id.rsplit("/", 1)[-1]
            if name in spans:
                raise join_error(what, "has utterances twice:", [name])
            if span.recording_id not in recordings:
                raise join_error(
                    what, f"has no recording {span.recording_id} for the utterance", [name]
                )
            spans[name] = span
            transcript, count = marks.subn(" ", span.text or "")
            num_marks += count
            text[name] = " ".join(transcript.split())
            utt2spk[name] = span.speaker or span.recording_id
    if not text:
        raise ValueError(f"{what}: no utterances; the directory must have the corpus's own layout")
    if num_marks:
        logger.info("%s: %d marks of this corpus removed", what, num_marks)
    empty = sorted(name for name, transcript in text.items() if not transcript)
    if len(empty) == len(text):
        raise join_error(what, "has no transcript for", empty)
    if empty:
        shown = ", ".join(empty[:_SHOWN]) + (", ..." if len(empty) > _SHOWN else "")
        logger.warning("%s: %d utterances without text left out: %s", what, len(empty), shown)
    bad = dict.fromkeys(empty, "no transcript")
    own: dict[str, list[str]] = {}
    for name, span in spans.items():
        if name not in bad:
            own.setdefault(span.recording_id, []).append(name)
    wavs = {}
    for recording, names in own.items():
        try:
            wavs[recording] = _audio_file(what, recordings[recording])
        except (ValueError, FileNotFoundError) as error:
            if left_out is None:
                raise
            bad |= dict.fromkeys(names, str(error))
    if left_out is not None:
        left_out |= bad
    spans, text, utt2spk = (
        {name: value for name, value in table.items() if name not in bad}
        for table in (spans, text, utt2spk)
    )
    if not text:
        raise ValueError(f"{what}: none of {len(bad)} utterances can be used")
    if all(_is_whole(span, recordings[span.recording_id]) for span in spans.values()):
        wav_scp = {name: wavs[span.recording_id] for name, span in spans.items()}
        return DataDir(Path(what), wav_scp, text, utt2spk)
    segments = {
        name: Segment(span.recording_id, span.start, span.end) for name, span in spans.items()
    }
    return DataDir(Path(what), wavs, text, utt2spk, segments)


def _audio_file(what: str, recording: Any) -> str:
    sources = recording.sources
    if len(sources) != 1 or sources[0].type != "file":
        kinds = ", ".join(source.type for source in sources)
        raise ValueError(
            f"{what}: recording {recording.id} must be one file, got {kinds}; write it to one"
        )
    if recording.num_channels != 1:
        raise ValueError(
            f"{what}: recording {recording.id} has {recording.num_channels} channels, 1 is "
            f"expected; write each channel to a file and use --corpus kaldi"
        )
    path = os.path.abspath(sources[0].source)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{what}: recording {recording.id}: no file {path}")
    return path


def _is_whole(span: Any, recording: Any) -> bool:
    missing = recording.duration - span.duration
    return bool(span.start == 0 and abs(missing) <= _WHOLE_RECORDING_TOLERANCE_S)
