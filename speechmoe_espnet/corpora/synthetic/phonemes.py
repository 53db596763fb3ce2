"""Conversion of Hanzi to the phonemes of Kokoro.

Each release of the model has its own alphabet. The first (82M, v1.0) reads IPA with arrows for
tones, the larger Chinese one (v1.1-zh) Bopomofo with digits for tones. Readings are those of
`pinyin`, words those of `segmentation`. Tone sandhi: that of yi (one) and bu (not), and a third
tone before a third tone becomes a second tone, within a word and where a word of one syllable meets
the next word.
"""

import re
from collections.abc import Callable, Collection, Sequence
from functools import cache

from pypinyin.contrib.tone_convert import to_finals, to_initials

from speechmoe_espnet.corpora.synthetic.pinyin import readings
from speechmoe_espnet.data.segmentation import segment

_SYLLABLE = re.compile(r"[a-zê]+[1-5]")
_PAUSES = {"，": ", ", "、": ", ", "；": "; ", "：": ": ", "。": ". ", "？": "? ", "！": "! "}
_RUN = re.compile(f"[{''.join(_PAUSES)}]|[^{''.join(_PAUSES)}]+")


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_TONES = {"1": "→", "2": "↗", "3": "↓", "4": "↘", "5": ""}
_INITIALS = _pairs(
    "b p  c ʦʰ  ch \uab67ʰ  d t  f f  g k  h x  j ʨ  k kʰ  l l  m m  n n  p pʰ  q ʨʰ  r ɻ  s s  "
    "sh ʂ  t tʰ  x ɕ  z ʦ  zh \uab67"
)
# The tone stands at the digit. The phonemes are those that the model was trained with.
_FINALS = _pairs(
    "a a0  ai ai0  an a0n  ang a0ŋ  ao au0  e ɤ0  ei ei0  en ə0n  eng ə0ŋ  i i0  ia ja0  ian jɛ0n  "
    "iang ja0ŋ  iao jau0  ie je0  in i0n  ing i0ŋ  io jɔ0  iong jʊ0ŋ  iou jou0  o wo0  ong ʊ0ŋ  "
    "ou ou0  u u0  ua wa0  uai wai0  uan wa0n  uang wa0ŋ  uei wei0  uen wə0n  ueng wə0ŋ  uo wo0  "
    "ü y0  üan ɥɛ0n  üe ɥe0  ün y0n"
)
_WHOLE = _pairs("er ɚ0  o ɔ0  ê ɛ0  m m0  n n0  ng ŋ0  hm hm0  hng hŋ0")
_APICAL = "ɨ0"
_BEFORE_APICAL = frozenset({"z", "c", "s", "zh", "ch", "sh", "r"})
_NEUTRAL = "5"
_NUMERALS = "零一二三四五六七八九十"
_YI_STAYS_AFTER = frozenset(_NUMERALS + "第期周")
_YI_STAYS_BEFORE = frozenset(_NUMERALS + "月号")
_BOPOMOFO_SIGN = "ㄅ"
_LETTERS = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (
            *("ˈA", "bˈi", "sˈi", "dˈi", "ˈi", "ˈɛf", "ʤˈi", "ˈAʧ", "ˈI", "ʤˈA", "kˈA", "ˈɛl"),
            *("ˈɛm", "ˈɛn", "ˈO", "pˈi", "kjˈu", "ˈɑɹ", "ˈɛs", "tˈi", "jˈu", "vˈi"),
            *("dˈʌbᵊljˌu", "ˈɛks", "wˈI", "zˈi"),
        ),
        strict=True,
    )
)


def to_phonemes(text: str, vocabulary: Collection[str]) -> str:
    """Spell a transcript for Kokoro.

    Args:
        text: Hanzi, capital Latin letters (read by their English names) and punctuation.
        vocabulary: Symbols that the model knows; they decide the alphabet.

    Returns:
        Phonemes, each a symbol of the vocabulary.

    Raises:
        ValueError: A character has no reading, or a phoneme is not in the vocabulary; or Bopomofo
            is wanted and the packages for it are missing.
    """
    bopomofo = _BOPOMOFO_SIGN in vocabulary
    syllable, between = (_bopomofo, "/") if bopomofo else (_ipa, " ")
    spoken = readings(text, tone_sandhi=False)
    if len(spoken) != len(text):
        raise ValueError(f"readings do not match the characters of {text!r}")
    pieces, start = [], 0
    for run in _RUN.findall(text):
        if run in _PAUSES:
            pieces.append(_PAUSES[run])
        else:
            pieces.append(between.join(_words(run, spoken[start : start + len(run)], syllable)))
        start += len(run)
    phonemes = "".join(pieces).strip()
    if unknown := sorted(set(phonemes) - set(vocabulary)):
        raise ValueError(f"no phoneme {' '.join(unknown)} in the model, wanted for {text!r}")
    return phonemes


def _words(run: str, spoken: list[str], syllable: Callable[[str], str]) -> list[str]:
    """Spell a run of Hanzi and letters, one string a word."""
    words = segment(run)
    if "".join(words) != run:
        raise ValueError(f"no reading for a character of {run!r}")
    spelled, start = [], 0
    tones = _with_sandhi(run, spoken, words)
    for word in words:
        pieces = tones[start : start + len(word)]
        spelled.append("".join(_spell(piece, syllable, run) for piece in pieces))
        start += len(word)
    return spelled


def _with_sandhi(run: str, spoken: Sequence[str], words: Sequence[str]) -> list[str]:
    """Change the tones of readings as speakers do."""
    ends: dict[int, int] = {}
    for word in words:
        start = len(ends)
        ends |= dict.fromkeys(range(start, start + len(word)), start + len(word))
    changed = []
    for place, (character, piece) in enumerate(zip(run, spoken, strict=True)):
        following = spoken[place + 1][-1] if place + 1 < len(run) else ""
        tone = piece[-1]
        is_last, is_first = ends[place] == place + 1, place == 0 or ends[place - 1] == place
        if character == "一":
            in_the_end = is_last and not is_first
            tone = "1" if in_the_end else _tone_of_yi(run, place, following)
        elif character == "不" and tone != _NEUTRAL:
            tone = "2" if following == "4" else "4"
        elif tone == following == "3":
            # Within a word, or from a word of one syllable to the next.
            tone = "2" if is_first or not is_last else "3"
        changed.append(piece[:-1] + tone)
    return changed


def _tone_of_yi(run: str, place: int, following: str) -> str:
    """Return the tone of the number one, which keeps its own in numbers and ordinals."""
    if place + 1 == len(run) or run[place + 1] in _YI_STAYS_BEFORE:
        return "1"
    if place > 0 and run[place - 1] in _YI_STAYS_AFTER:
        return "1"
    # The measure word has a neutral tone that was a falling one.
    return "2" if following == "4" or run[place + 1] == "个" else "4"


def _spell(piece: str, syllable: Callable[[str], str], run: str) -> str:
    if piece in _LETTERS:
        return _LETTERS[piece]
    if not _SYLLABLE.fullmatch(piece):
        raise ValueError(f"no reading for {piece!r} in {run!r}")
    return syllable(piece)


@cache
def _ipa(syllable: str) -> str:
    plain, tone = syllable[:-1], _TONES[syllable[-1]]
    if plain in _WHOLE:
        return _WHOLE[plain].replace("0", tone)
    initial, final = to_initials(plain), to_finals(plain, v_to_u=True)
    if (initial and initial not in _INITIALS) or final not in _FINALS:
        raise ValueError(f"no phonemes for the syllable {syllable}")
    sound = _APICAL if final == "i" and initial in _BEFORE_APICAL else _FINALS[final]
    return _INITIALS.get(initial, "") + sound.replace("0", tone)


@cache
def _bopomofo(syllable: str) -> str:
    try:
        from misaki.zh_frontend import ZH_MAP
    except ModuleNotFoundError as error:
        raise ValueError(
            f"these voices read Bopomofo, for which {error.name} is missing: "
            f"pip install 'misaki[zh]'"
        ) from None
    plain, tone = syllable[:-1], syllable[-1]
    initial, final = to_initials(plain), to_finals(plain, v_to_u=False)
    if final == "i":
        final = {"z": "ii", "c": "ii", "s": "ii"}.get(initial, final)
        final = {"zh": "iii", "ch": "iii", "sh": "iii", "r": "iii"}.get(initial, final)
    return "".join(ZH_MAP.get(part, part) for part in (initial, final, tone) if part)
