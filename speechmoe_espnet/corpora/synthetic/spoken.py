"""Natural speech that was synthesised once: a folder of FLAC files, named by what they say.

Synthesis takes most of the time that speech lasts, so nothing is said twice. A name is a digest of
model, speaker, speed and phonemes: corpora, recipes and seeds share a folder, and what was killed
goes on where it was. Processes that work side by side claim what they say through a lock that ends
with them.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import soundfile
import soxr

from speechmoe_espnet.corpora.synthetic import kokoro
from speechmoe_espnet.corpora.synthetic.mixed_voices import MixedVoice
from speechmoe_espnet.corpora.synthetic.signal import SAMPLE_RATE, Signal, set_level, trim
from speechmoe_espnet.pipeline.atomic_file import written_beside
from speechmoe_espnet.pipeline.pool import ONE_PROCESS
from speechmoe_espnet.pipeline.workers import Job, Workers

_LEVEL_DB = -23.0
_MARGIN = SAMPLE_RATE // 10
_VERSION = 2
_LOCK = ".lock"
_SECONDS_BETWEEN_LOOKS = 1.0
_MAX_OFFSET = 2**62


@dataclass(frozen=True)
class Saying:
    """Something to say.

    Attributes:
        phonemes: What `phonemes.to_phonemes` returned.
        voice: The speaker.
        factor: Factor of the speaker's speed.
    """

    phonemes: str
    voice: MixedVoice
    factor: float = 1.0


@dataclass(frozen=True)
class Spoken:
    """The folder of speech.

    Attributes:
        voices_dir: Folder of the model and its styles.
        path: Folder of the speech.
    """

    voices_dir: Path
    path: Path

    @property
    def voices(self) -> kokoro.VoicesFolder:
        """The model and its styles.

        Raises:
            ValueError: As in `kokoro.VoicesFolder.load`.
        """
        return _folder(self.voices_dir)

    def file(self, saying: Saying) -> Path:
        """Return the file of a saying, whether it exists or not.

        Raises:
            ValueError: A voice of the speaker is unknown.
        """
        voice, voices = saying.voice, self.voices
        names = sorted({name for name, _ in (*voice.timbre, *voice.prosody)})
        if unknown := [name for name in names if name not in voices.styles]:
            raise ValueError(f"{self.voices_dir} has no voice {', '.join(unknown)}")
        said = [_VERSION, voices.digest, [voices.style_digests[name] for name in names]]
        said += [saying.phonemes, voice.timbre, voice.prosody]
        said += [voice.speed, voice.shift, saying.factor]
        name = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]
        return self.path / name[:2] / f"{name}.flac"

    def read(self, saying: Saying) -> Signal:
        """Return what was said, at 16 kHz, shape (samples,).

        Raises:
            FileNotFoundError: It was not said yet.
        """
        file = self.file(saying)
        if not file.exists():
            raise FileNotFoundError(f"no speech {file}")
        samples, _ = soundfile.read(file, dtype="float32")
        return np.asarray(samples, dtype=np.float32)

    def say_all(self, sayings: Sequence[Saying], workers: Workers = ONE_PROCESS) -> Iterator[float]:
        """Say what is not said yet.

        Args:
            sayings: What to say, such as what `missing` returned.
            workers: Processes that speak.

        Yields:
            For each saying the seconds said by this call; 0 where it was said already, or by
            another process meanwhile. Those that another process was saying come last.

        Raises:
            ValueError: Something cannot be said; the message has it.
            ChildProcessError: A process was killed.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if sayings:
            # Processes that are copies of this one share the model.
            _model(self.voices_dir)
        # What another process is saying comes last: a wait in between would keep both in step.
        waited_for = []
        job = Job(partial(_say_unclaimed, self), fork=True, kind="speech", split=_named)
        said = workers.map(job, sayings)
        for saying, seconds in zip(sayings, said, strict=True):
            if seconds is None:
                waited_for.append(saying)
            else:
                yield seconds
        for saying in waited_for:
            yield _say(self, saying)

    def missing(self, sayings: Sequence[Saying]) -> list[Saying]:
        """Return the sayings without speech, each once."""
        return [s for s in dict.fromkeys(sayings) if not self.file(s).exists()]


def _named(saying: Saying) -> dict[str, Saying]:
    return {f"{saying.voice.name} saying {saying.phonemes!r}": saying}


def _say_unclaimed(spoken: Spoken, saying: Saying) -> float | None:
    """Say what no other process is saying; return its seconds, or None where one is."""
    file = spoken.file(saying)
    with _Claim(spoken.path, file.stem) as claimed:
        if file.exists():
            return 0.0
        if not claimed:
            return None
        signal = _synthesise(spoken, saying)
        _write(file, signal)
        return len(signal) / SAMPLE_RATE


def _say(spoken: Spoken, saying: Saying) -> float:
    """Say something, or wait until another process has said it."""
    while (seconds := _say_unclaimed(spoken, saying)) is None:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return seconds


def _synthesise(spoken: Spoken, saying: Saying) -> Signal:
    voice = saying.voice
    # Speech played faster by `shift` has a higher pitch and shorter sounds: say it slower.
    speed = voice.speed * saying.factor / voice.shift
    samples = _model(spoken.voices_dir).say(saying.phonemes, voice, speed)
    rate = round(kokoro.SAMPLE_RATE * voice.shift)
    signal = np.asarray(soxr.resample(samples, rate, SAMPLE_RATE, quality="MQ"), dtype=np.float32)
    silence = np.zeros(_MARGIN, dtype=np.float32)
    try:
        return np.concatenate([silence, set_level(trim(signal), _LEVEL_DB), silence])
    except ValueError as error:
        raise ValueError(f"{voice.name} said {saying.phonemes!r}: {error}") from None


def _write(file: Path, signal: Signal) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(file) as out:
        soundfile.write(out, signal, SAMPLE_RATE, format="FLAC", subtype="PCM_16")


class _Claim:
    """A claim on one name in a folder, for as long as this process lives or the block lasts.

    Locks of bytes belong to the process: they end with it, whatever ends it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._file = _lock_file(folder, os.getpid())
        self._offset = int(name, 16) % _MAX_OFFSET
        self._claimed = False

    def __enter__(self) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._offset)
            self._claimed = True
        except OSError:
            self._claimed = False
        return self._claimed

    def __exit__(self, *_: object) -> None:
        if self._claimed:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._offset)


@cache
def _lock_file(folder: Path, _process: int) -> int:
    """Open the lock file, once a process: closing any copy would end all its locks."""
    return os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)


@cache
def _folder(voices_dir: Path) -> kokoro.VoicesFolder:
    return kokoro.VoicesFolder.load(voices_dir)


@cache
def _model(voices_dir: Path) -> kokoro.Kokoro:
    return kokoro.Kokoro(_folder(voices_dir))
