"""Speech synthesis by espeak-ng through ctypes, with reproducible samples.

espeak-ng keeps oscillator phases and noise state in static variables. Neither `espeak_Initialize`
nor `espeak_ng_SetRandSeed` resets them, so the samples of an utterance depend on the utterances
before it. Loading the library anew resets everything, but takes as long as half an utterance.
Hence the session: a newly loaded library for a fixed list of utterances.
"""

import _ctypes
import ctypes
from functools import cache
from pathlib import Path
from typing import Any, Self

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.corpora.synthetic.voices import Speaker

SAMPLE_RATE = 22050
_LANGUAGE = "sit/cmn-Latn-pinyin"
_AUDIO_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_PHONEMES_IN_BRACKETS = 0x100
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_VOLUME_WITHOUT_CLIPPING = 40
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Session:
    """A newly loaded espeak-ng. Its n-th output depends on the first n utterances only.

    One process may hold one open session at a time. Use it as a context manager.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._callback = _CALLBACK(self._collect)
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        rate = self._library.espeak_Initialize(_AUDIO_SYNCHRONOUS, 0, data, 0)
        if rate != SAMPLE_RATE:
            raise ValueError(
                f"espeak-ng with the data in {data.decode()} says {rate} instead of its "
                f"sample rate {SAMPLE_RATE}; reinstall espeakng-loader"
            )
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.espeak_Terminate()
        _ctypes.dlclose(self._library._handle)

    def say(self, text: str, speaker: Speaker, rate_factor: float = 1.0) -> NDArray[np.int16]:
        """Synthesise a text.

        Args:
            text: Numbered pinyin from `pinyin.to_espeak`.
            speaker: Speaker.
            rate_factor: Factor of the speaker's rate.

        Returns:
            Samples at 22,050 Hz, shape (samples,).

        Raises:
            ValueError: espeak-ng does not have the voice variant, or returns no samples.
        """
        voice = f"{_LANGUAGE}+{speaker.variant}"
        known = speaker.variant in _variants()
        if not known or self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r} (speaker {speaker.name})")
        for parameter, value in (
            (_RATE, round(speaker.rate * rate_factor)),
            (_VOLUME, _VOLUME_WITHOUT_CLIPPING),
            (_PITCH, speaker.pitch),
            (_RANGE, speaker.pitch_range),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._pieces.clear()
        raw = text.encode("utf-8")
        flags = _CHARS_UTF8 | _PHONEMES_IN_BRACKETS
        status = self._library.espeak_Synth(raw, len(raw) + 1, 0, 1, 0, flags, None, None)
        if status != 0 or not self._pieces:
            raise ValueError(f"espeak-ng said nothing (status {status}) for {text!r} by {speaker}")
        return np.frombuffer(b"".join(self._pieces), dtype=np.int16)

    def _collect(self, samples: Any, count: int, _events: Any) -> int:
        if count > 0:
            self._pieces.append(ctypes.string_at(samples, 2 * count))
        return 0


@cache
def _variants() -> frozenset[str]:
    """Return the names of the voice variants; espeak-ng itself accepts unknown ones silently."""
    folder = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    return frozenset(path.name for path in folder.iterdir())
