"""Recordings in a page: MP3 as `data:` addresses.

MP3 plays in every browser and takes a third of the bytes of FLAC. The same recording gives the same
bytes; an Ogg stream would carry a random serial number.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import soundfile

from speechmoe_espnet.data.audio import read_audio
from speechmoe_espnet.data.fbank_config import MEAN
from speechmoe_espnet.data.kaldi_dir import Segment, read_segments
from speechmoe_espnet.data.table import read_table

MAX_PLAYERS = 20
"""Players on a page; 20 of 4 s each add about 0.6 MB."""
MAX_SECONDS = 20.0
"""Longer utterances get no player."""
_MP3_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})
_COMPRESSION = 0.5


def players(
    audio_dir: Path, wanted: Mapping[str, Sequence[str]]
) -> tuple[dict[tuple[str, str], str], list[str]]:
    """Encode the recordings of utterances.

    Args:
        audio_dir: Directory of data directories, one a set, each with `wav.scp` and, where
            utterances are parts of recordings, `segments`. Relative paths in `wav.scp` count
            from the current directory or from the nearest directory above `audio_dir` that has
            the file.
        wanted: Utterance ids by set, most wanted first.

    Returns:
        A `data:` address by set and utterance id, of at most MAX_PLAYERS utterances, spread
        evenly over the sets; and why others have none, a sentence for each set or utterance.
    """
    found: dict[tuple[str, str], str] = {}
    complaints = []
    per_set = max(1, MAX_PLAYERS // max(1, len(wanted)))
    for set_name, utterances in wanted.items():
        room = min(per_set, MAX_PLAYERS - len(found))
        try:
            recordings = _Recordings(audio_dir / set_name)
        except (FileNotFoundError, ValueError) as error:
            complaints.append(f"{set_name}: {error}")
            continue
        for utt in utterances[:room]:
            try:
                found[set_name, utt] = recordings.encoded(utt)
            except (FileNotFoundError, ValueError) as error:
                complaints.append(f"{set_name}: {utt}: {error}")
    return found, complaints


class _Recordings:
    """The recordings of a data directory; transcripts are left to scoring."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise FileNotFoundError(f"no data directory {path}")
        self.path = path
        self.wav_scp = read_table(path / "wav.scp")
        segments = path / "segments"
        self.segments = read_segments(segments) if segments.is_file() else None

    def encoded(self, utt: str) -> str:
        """Return the `data:` address of an utterance."""
        try:
            segment = Segment.whole(utt) if self.segments is None else self.segments[utt]
            name = self.wav_scp[segment.recording]
        except KeyError as error:
            raise ValueError(f"{self.path} has no recording of {error.args[0]}") from None
        samples, rate = read_audio(_existing(self.path, name), segment.start, segment.end, MEAN)
        if len(samples) > MAX_SECONDS * rate:
            raise ValueError(f"lasts {len(samples) / rate:.1f} s, more than {MAX_SECONDS:g} s")
        if rate not in _MP3_RATES:
            raise ValueError(f"has {rate} Hz, MP3 takes {', '.join(map(str, sorted(_MP3_RATES)))}")
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, rate, format="MP3", compression_level=_COMPRESSION)
        return "data:audio/mpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _existing(data_dir: Path, name: str) -> Path:
    candidates = [Path(name), *(parent / name for parent in data_dir.resolve().parents)]
    for path in candidates:
        if path.is_file():
            return path
    raise FileNotFoundError(f"no file {name}")
