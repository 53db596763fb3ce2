"""Speech synthesis by Kokoro-82M through onnxruntime, with voices mixed from its styles.

The model and its styles lie in a folder: one `*.onnx` file, styles as `*.bin` (float32, one row of
256 values for each number of phonemes) in it or in `voices/`, or all in one archive of numpy, and
`config.json` with the model's `vocab`, where it is not that of the first release. The same model
and inputs give the same samples on one kind of processor.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.corpora.synthetic import kokoro_parts
from speechmoe_espnet.corpora.synthetic.mixed_voices import Mix, MixedVoice
from speechmoe_espnet.corpora.synthetic.signal import Signal
from speechmoe_espnet.data.array_file import read_arrays
from speechmoe_espnet.data.json_files import read_object
from speechmoe_espnet.data.placeholder import refuse_placeholder_file

SAMPLE_RATE = 24000
STYLE_SIZE = 256
TIMBRE_SIZE = 128
MODEL_FILE = "model.onnx"
STYLES_FOLDER = "voices"
CONFIG_FILE = "config.json"
_ARCHIVE_SIGN = b"PK"
# With the styles of shorter texts, tones are hardly heard: a falling and a rising tone then have
# nearly the same pitch.
_SHORTEST_STYLE = 40
# The symbols of the first release (82M, v1.0) that Mandarin and Latin letters use.
FIRST_VOCABULARY: Mapping[str, int] = {
    ";": 1,
    ":": 2,
    ",": 3,
    ".": 4,
    "!": 5,
    "?": 6,
    " ": 16,
    "ʥ": 19,
    "ʦ": 20,
    "ʨ": 21,
    "\uab67": 23,
    "A": 24,
    "I": 25,
    "O": 31,
    "ᵊ": 42,
    "a": 43,
    "b": 44,
    "d": 46,
    "e": 47,
    "f": 48,
    "h": 50,
    "i": 51,
    "j": 52,
    "k": 53,
    "l": 54,
    "m": 55,
    "n": 56,
    "o": 57,
    "p": 58,
    "s": 61,
    "t": 62,
    "u": 63,
    "v": 64,
    "w": 65,
    "x": 66,
    "y": 67,
    "z": 68,
    "ɑ": 69,
    "ɔ": 76,
    "ɕ": 77,
    "ʤ": 82,
    "ə": 83,
    "ɚ": 85,
    "ɛ": 86,
    "ɥ": 99,
    "ɨ": 101,
    "ŋ": 112,
    "ɹ": 123,
    "ɻ": 126,
    "ʂ": 130,
    "ʧ": 133,
    "ʊ": 135,
    "ʌ": 138,
    "ɤ": 140,
    "ˈ": 156,
    "ˌ": 157,
    "ʰ": 162,
    "↓": 169,
    "→": 171,
    "↗": 172,
    "↘": 173,
}


@dataclass(frozen=True)
class VoicesFolder:
    """A release of Kokoro on disk.

    Attributes:
        model: The ONNX file.
        styles: For each voice, its styles, shape (numbers of phonemes, 256).
        vocabulary: Number of each phoneme.
    """

    model: Path
    styles: Mapping[str, NDArray[np.float32]]
    vocabulary: Mapping[str, int]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a folder; the model itself is not read yet.

        Raises:
            ValueError: The folder does not exist, has not one model or no styles, or a file is
                not what it should be; the message names it.
        """
        models = sorted(path.glob("*.onnx"))
        if len(models) != 1:
            got = ", ".join(model.name for model in models) if models else "none"
            raise ValueError(
                f"voices: {path} must hold one model (*.onnx), it has {got}; "
                f"`speechmoe fetch_voices --output_dir {path}` makes such a folder"
            )
        styles: dict[str, NDArray[np.float32]] = {}
        for file in sorted((*path.glob("*.bin"), *path.glob(f"{STYLES_FOLDER}/*.bin"))):
            styles |= _read_styles(file)
        if not styles:
            raise ValueError(f"voices: no styles (*.bin) in {path} or {path / STYLES_FOLDER}")
        return cls(models[0], styles, _read_vocabulary(path / CONFIG_FILE))

    @cached_property
    def digest(self) -> str:
        """Digest of the model and its phonemes, not of the styles."""
        with open(self.model, "rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        digest.update(json.dumps(dict(self.vocabulary), sort_keys=True).encode())
        return digest.hexdigest()

    @cached_property
    def style_digests(self) -> Mapping[str, str]:
        """Digest of each voice's styles."""
        return {name: hashlib.sha256(rows).hexdigest() for name, rows in self.styles.items()}

    def style(self, voice: MixedVoice, num_phonemes: int) -> NDArray[np.float32]:
        """Mix the style of a speaker.

        Args:
            voice: The speaker.
            num_phonemes: Number of phonemes to say.

        Returns:
            Shape (1, 256): timbre, then prosody.

        Raises:
            ValueError: A voice of the mix is not in the folder.
        """
        timbre = self._mix(voice.timbre, num_phonemes)[:TIMBRE_SIZE]
        prosody = self._mix(voice.prosody, num_phonemes)[TIMBRE_SIZE:]
        return np.concatenate([timbre, prosody])[None].astype(np.float32)

    def _mix(self, mix: Mix, num_phonemes: int) -> NDArray[np.float32]:
        row = max(num_phonemes, _SHORTEST_STYLE)
        total = np.zeros(STYLE_SIZE, dtype=np.float32)
        for name, weight in mix:
            if name not in self.styles:
                raise ValueError(f"voice {name} is not in {self.model.parent}")
            rows = self.styles[name]
            total += np.float32(weight) * rows[min(row, len(rows)) - 1]
        return total


class Kokoro:
    """The model, loaded, with one thread.

    Args:
        folder: Where it lies.

    Raises:
        ValueError: The file is not such a model, or onnxruntime is not installed.
    """

    def __init__(self, folder: VoicesFolder) -> None:
        self.folder = folder
        self._session = _open(folder.model)
        kinds = {item.name: item.type for item in self._session.get_inputs()}
        self._tokens = "input_ids" if "input_ids" in kinds else "tokens"
        if missing := {self._tokens, "style", "speed"} - kinds.keys():
            raise ValueError(f"{folder.model} has no input {', '.join(sorted(missing))}")
        # Some releases take whole numbers as speed, which leaves 1 alone.
        self._speeds_vary = "float" in kinds["speed"]

    def say(self, phonemes: str, voice: MixedVoice, speed: float) -> Signal:
        """Synthesise phonemes.

        Args:
            phonemes: What `phonemes.to_phonemes` returned.
            voice: The speaker.
            speed: Factor of the speaking rate, that of the speaker included.

        Returns:
            Samples at 24 kHz, shape (samples,).

        Raises:
            ValueError: There is nothing to say, or more than the model can say.
        """
        tokens = [self.folder.vocabulary[phoneme] for phoneme in phonemes]
        longest = min(len(rows) for rows in self.folder.styles.values())
        if not 1 <= len(tokens) <= longest:
            raise ValueError(f"phonemes must be 1 to {longest}, got {len(tokens)}: {phonemes!r}")
        kind = np.float32 if self._speeds_vary else np.int32
        (samples,) = self._session.run(
            None,
            {
                self._tokens: np.array([[0, *tokens, 0]], dtype=np.int64),
                "style": self.folder.style(voice, len(tokens)),
                "speed": np.array([speed if self._speeds_vary else 1], dtype=kind),
            },
        )[:1]
        return np.asarray(samples, dtype=np.float32).ravel()


def _open(model: Path) -> Any:
    if model.name == kokoro_parts.NETWORK:
        return kokoro_parts.PartsSession(model.parent, _open_session)
    return _open_session(model)


def _open_session(model: Path) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise ValueError(
            "natural voices need onnxruntime: install this project with its extra, "
            "pip install -e '.[voices]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Every utterance has another length: memory kept for the last one only has to be moved.
    options.enable_cpu_mem_arena = False
    refuse_placeholder_file(model)
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base of their own
        raise ValueError(f"{model} cannot be loaded as a model: {error}") from None


def _read_styles(file: Path) -> dict[str, NDArray[np.float32]]:
    refuse_placeholder_file(file)
    with open(file, "rb") as opened:
        is_archive = opened.read(len(_ARCHIVE_SIGN)) == _ARCHIVE_SIGN
    if is_archive:
        arrays = read_arrays(file)
    else:
        size = file.stat().st_size
        if size == 0 or size % (4 * STYLE_SIZE):
            raise ValueError(f"{file}: {size} bytes are no styles (rows of {STYLE_SIZE} float32)")
        arrays = {file.stem: np.fromfile(file, dtype="<f4")}
    styles = {}
    for name, array in arrays.items():
        is_float = array.dtype.kind == "f"
        if (
            not is_float
            or array.size % STYLE_SIZE
            or not array.size
            or not np.isfinite(array).all()
        ):
            raise ValueError(f"{file}: {name} is no style (finite rows of {STYLE_SIZE} values)")
        styles[name] = array.astype(np.float32).reshape(-1, STYLE_SIZE)
    return styles


def _read_vocabulary(file: Path) -> Mapping[str, int]:
    if not file.exists():
        return FIRST_VOCABULARY
    fields = read_object(file, ())
    try:
        vocabulary = fields["vocab"]
        return {str(symbol): int(number) for symbol, number in vocabulary.items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise ValueError(f"{file}: has no vocabulary (`vocab`: symbols and numbers)") from None
