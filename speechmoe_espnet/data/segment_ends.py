"""Ends of segments for other tools, which do not know -1 for the end of the recording."""

from contextlib import suppress
from dataclasses import replace

from speechmoe_espnet.data.audio import audio_info
from speechmoe_espnet.data.kaldi_dir import TO_THE_END, DataDir, Segment


def with_ends(data: DataDir) -> DataDir:
    """Return a data directory in which every segment states its end.

    Kaldi's `validate_data_dir.sh` refuses -1, lhotse takes it for a time. A segment of a recording
    that cannot be read keeps it: whoever reads the recording says why.

    Args:
        data: A data directory; lengths of recordings are read if an end is -1.
    """
    segments = data.segments
    if segments is None or all(segment.end != TO_THE_END for segment in segments.values()):
        return data
    open_ended = {name: part for name, part in segments.items() if part.end == TO_THE_END}
    lengths: dict[str, float] = {}
    for recording in {part.recording for part in open_ended.values()}:
        with suppress(ValueError, OSError):
            lengths[recording] = audio_info(data.wav_scp[recording]).seconds
    ends = {
        name: Segment(part.recording, part.start, lengths[part.recording])
        for name, part in open_ended.items()
        if lengths.get(part.recording, 0.0) > part.start
    }
    return replace(data, segments={**segments, **ends})
