"""Conversion of Hanzi to numbered pinyin for espeak-ng's voice `cmn-latn-pinyin`.

espeak-ng's own Hanzi dictionary is poor; pypinyin resolves polyphones from their context and
applies tone sandhi. A few syllables that the voice lacks are respelled.
"""

import re

from pypinyin import Style, lazy_pinyin

_SYLLABLE = re.compile(r"([a-zê]+)([1-5])")
_PAUSES = str.maketrans("，。？！、；：", ",.?!,,,")
_RESPELLED = {"n": "en", "ng": "en", "hm": "heng", "hng": "heng", "m": "mu", "ê": "ei"}
_NO_RULE = {"xiong": "S;'i{tone}ong", "qiong": "tS;h'i{tone}ong", "jiong": "tS;'i{tone}ong"}
_TONES = {"1": "55", "2": "35", "3": "214", "4": "51", "5": "11"}
_LETTERS = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (
            *("ei1", "bi4", "sei4", "di4", "yi4", "ai2 fu5", "ji4", "ei2 chi5", "ai4", "zhei4"),
            *("kei4", "ai2 lou5", "ai2 mu5", "en1", "ou1", "pi4", "kiu1", "a4", "ai2 si5", "ti4"),
            *("you1", "wei1", "da2 bu5 liu5", "ai2 ke5 si5", "wai4", "zei4"),
        ),
        strict=True,
    )
)


def to_espeak(text: str) -> str:
    """Spell a transcript for espeak-ng.

    Args:
        text: Hanzi, capital Latin letters (read by their names) and punctuation.

    Returns:
        Numbered pinyin with pauses; `[[...]]` holds espeak-ng phonemes.

    Raises:
        ValueError: A character has no reading.
    """
    words = []
    for piece in readings(text):
        if match := _SYLLABLE.fullmatch(piece):
            words.append(_spell(match[1], match[2]))
        elif piece in _LETTERS:
            words.append(_LETTERS[piece])
        elif piece.translate(_PAUSES) in ",.?!":
            words.append(piece.translate(_PAUSES))
        else:
            raise ValueError(f"no reading for {piece!r} in {text!r}")
    return " ".join(words)


def readings(text: str, *, tone_sandhi: bool = True) -> list[str]:
    """Return the reading of each character.

    Polyphones are read by their context.

    Args:
        text: Any text.
        tone_sandhi: Whether pypinyin applies the sandhi that it knows, within words.

    Returns:
        Numbered pinyin (5 is the neutral tone) for a Hanzi that has a reading, the character itself
        for any other; as many as there are characters.
    """
    return lazy_pinyin(
        text,
        style=Style.TONE3,
        neutral_tone_with_five=True,
        tone_sandhi=tone_sandhi,
        errors=list,  # type: ignore[arg-type]  # pypinyin takes lists; its stub says str
    )


def _spell(syllable: str, tone: str) -> str:
    if syllable in _NO_RULE:
        return f"[[{_NO_RULE[syllable].format(tone=_TONES[tone])}]]"
    return _RESPELLED.get(syllable, syllable) + tone
