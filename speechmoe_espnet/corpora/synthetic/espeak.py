"""espeak-ng by ctypes: text in, samples out, the same samples every time.

espeak-ng keeps oscillator phases and noise state in static variables that neither
`espeak_Initialize` nor `espeak_ng_SetRandSeed` resets, so an utterance sounds a little
different after another one. Unloading the library and loading it again costs 0.3 ms and
resets all of it: that is done before each utterance.
"""

import _ctypes
import ctypes
from typing import Any

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


def synthesize(text: str, speaker: Speaker, rate_factor: float = 1.0) -> NDArray[np.int16]:
    """Say a text.

    Args:
        text: Numbered pinyin, as `pinyin.to_espeak` writes it.
        speaker: Who says it.
        rate_factor: Multiplies the speaker's rate.

    Returns:
        Samples at 22,050 Hz, shape (samples,).

    Raises:
        ValueError: espeak-ng does not know the voice variant, or says nothing.
    """
    pieces: list[bytes] = []

    def collect(samples: Any, count: int, _events: Any) -> int:
        if count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _CALLBACK(collect)
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        _configure(library, speaker, round(speaker.rate * rate_factor), callback)
        raw = text.encode("utf-8")
        flags = _CHARS_UTF8 | _PHONEMES_IN_BRACKETS
        status = library.espeak_Synth(raw, len(raw) + 1, 0, 1, 0, flags, None, None)
        library.espeak_Synchronize()
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)
    if status != 0 or not pieces:
        raise ValueError(f"espeak-ng said nothing (status {status}) for {text!r} by {speaker}")
    return np.frombuffer(b"".join(pieces), dtype=np.int16)


def _configure(library: ctypes.CDLL, speaker: Speaker, rate: int, callback: Any) -> None:
    data = espeakng_loader.get_data_path().encode()
    if library.espeak_Initialize(_AUDIO_SYNCHRONOUS, 0, data, 0) != SAMPLE_RATE:
        raise ValueError(f"espeak-ng cannot start with the data in {data.decode()}")
    library.espeak_SetSynthCallback(callback)
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    voice = f"{_LANGUAGE}+{speaker.variant}"
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {voice!r} (speaker {speaker.name})")
    for parameter, value in (
        (_RATE, rate),
        (_VOLUME, _VOLUME_WITHOUT_CLIPPING),
        (_PITCH, speaker.pitch),
        (_RANGE, speaker.pitch_range),
    ):
        library.espeak_SetParameter(parameter, value, 0)
