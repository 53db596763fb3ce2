"""Phones of Latin words that CMUdict lacks, by espeak-ng's American English.

espeak-ng comes with the optional extra `corpora`: one package holds the library and its data, so
nothing is downloaded at run time. The library is opened for a batch of words and closed again,
because the synthetic corpora need to load it afresh (see `corpora.synthetic.espeak`). No session of
theirs may be open at that time.
"""

import ctypes
import re
from collections.abc import Sequence

_VOICE = b"en-us"
_AUDIO_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_IPA = 0x02

# espeak-ng's IPA, longest symbols first, to CMUdict's phones. Sounds that English lacks become
# their nearest neighbours.
_PHONES = {
    "aɪɚ": "AY ER",
    "aɪə": "AY AH",
    "ɑːɹ": "AA R",
    "ɔːɹ": "AO R",
    "oːɹ": "AO R",
    "tʃ": "CH",
    "dʒ": "JH",
    "aɪ": "AY",
    "aʊ": "AW",
    "eɪ": "EY",
    "oʊ": "OW",
    "ɔɪ": "OY",
    "iə": "IY AH",
    "əl": "AH L",
    "n̩": "AH N",
    "m̩": "AH M",
    "l̩": "AH L",
    "ɡʲ": "G Y",
    "nʲ": "N Y",
    "a": "AA",
    "b": "B",
    "c": "K",
    "d": "D",
    "e": "EY",
    "f": "F",
    "g": "G",
    "h": "HH",
    "i": "IY",
    "j": "Y",
    "k": "K",
    "l": "L",
    "m": "M",
    "n": "N",
    "o": "OW",
    "p": "P",
    "q": "K",
    "r": "R",
    "s": "S",
    "t": "T",
    "u": "UW",
    "v": "V",
    "w": "W",
    "x": "K",
    "y": "Y UW",
    "z": "Z",
    "æ": "AE",
    "ç": "HH",
    "ð": "DH",
    "ø": "ER",
    "ŋ": "NG",
    "œ": "ER",
    "ɐ": "AH",
    "ɑ": "AA",
    "ɒ": "AA",
    "ɔ": "AO",
    "ɕ": "SH",
    "ɖ": "D",
    "ə": "AH",
    "ɚ": "ER",
    "ɛ": "EH",
    "ɜ": "ER",
    "ɝ": "ER",
    "ɟ": "JH",
    "ɡ": "G",
    "ɣ": "G",
    "ɪ": "IH",
    "ɫ": "L",
    "ɬ": "L",
    "ɭ": "L",
    "ɲ": "N Y",
    "ɳ": "N",
    "ɹ": "R",
    "ɾ": "T",
    "ʀ": "R",
    "ʁ": "R",
    "ʂ": "SH",
    "ʃ": "SH",
    "ʈ": "T",
    "ʊ": "UH",
    "ʌ": "AH",
    "ʎ": "L Y",
    "ʏ": "UH",
    "ʐ": "ZH",
    "ʑ": "ZH",
    "ʒ": "ZH",
    "ʔ": "T",
    "β": "B",
    "θ": "TH",
    "χ": "K",
    "ᵻ": "IH",
}
_IGNORED = re.compile("[ˈˌː_ \\-ʲʰ\u0303\u0329\u032f\u0361|]+")
_SYMBOL = re.compile("|".join(sorted(map(re.escape, _PHONES), key=len, reverse=True)))


def phones_of(words: Sequence[str]) -> list[tuple[str, ...]]:
    """Read Latin words.

    Args:
        words: Words; case does not matter.

    Returns:
        Phones of CMUdict for each word; empty where espeak-ng gives a sound that is not English.

    Raises:
        ValueError: espeak-ng is not installed, or the library does not work with its data.
    """
    if not words:
        return []
    return [to_phones(line) for line in _to_ipa(words)]


def to_phones(ipa: str) -> tuple[str, ...]:
    """Turn espeak-ng's IPA into CMUdict's phones.

    Args:
        ipa: A word in IPA, stress marks included.

    Returns:
        Phones without stress; empty where the IPA has an unknown symbol. A vowel that ends in R
        before another R (ʊɹ ɹ) gives one R.
    """
    phones: list[str] = []
    position = 0
    while position < len(ipa):
        if symbol := _SYMBOL.match(ipa, position):
            for phone in _PHONES[symbol[0]].split():
                if phone != "R" or phones[-1:] != ["R"]:
                    phones.append(phone)
        elif not (symbol := _IGNORED.match(ipa, position)):
            return ()
        position = symbol.end()
    return tuple(phones)


def _to_ipa(words: Sequence[str]) -> list[str]:
    try:
        import espeakng_loader
    except ModuleNotFoundError:
        shown = ", ".join(words[:5]) + (", ..." if len(words) > 5 else "")
        raise ValueError(
            f"{len(words)} Latin words are not in CMUdict and need espeak-ng ({shown}); install "
            f"the extra `corpora` (pip install 'speechmoe_espnet[corpora]'), or spell the words "
            f"differently in the text"
        ) from None
    import _ctypes

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        data = espeakng_loader.get_data_path().encode()
        if (
            library.espeak_Initialize(_AUDIO_SYNCHRONOUS, 0, data, 0) <= 0
            or library.espeak_SetVoiceByName(_VOICE) != 0
        ):
            raise ValueError(
                f"espeak-ng has no voice {_VOICE.decode()} in {data.decode()}; reinstall "
                f"espeakng-loader"
            )
        function = library.espeak_TextToPhonemes
        function.restype = ctypes.c_char_p
        function.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
        lines = []
        for word in words:
            text = ctypes.c_char_p(word.lower().encode())
            clauses = []
            while text.value:
                clauses.append(function(ctypes.byref(text), _CHARS_UTF8, _IPA).decode())
            lines.append(" ".join(clauses))
        library.espeak_Terminate()
        return lines
    finally:
        _ctypes.dlclose(library._handle)
