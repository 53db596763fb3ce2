"""Markup of transcripts: what is written in brackets and is not said.

Corpora mark noise, laughter, silence and unclear words; recognisers mark language, emotion and
unknown units. Left in a transcript, a mark becomes letters that a model learns to write and that
scoring counts. One rule finds marks everywhere:

================================  ========================================  =============
Mark                              Examples                                  What it is
================================  ========================================  =============
``<|...|>`` ``{...}``             ``<|zh|>`` ``{laugh}``                    known
``<...>`` ``[...]``               ``<sil>`` ``<SPOKEN_NOISE>`` ``[UNK]``      known by name
``<...>`` ``[...]``               ``<%>`` ``<->`` ``[*]``: no letters        known
``(...)`` ``【...】`` ``〔...〕``      ``(laughter)`` ``【噪音】``                known by name
``*...*`` ``#...#`` ``@...@``      ``*laughs*`` ``@噪音@``                    known by name
``<...>`` ``[...]``               any ASCII letter: ``<abc>`` ``[door 2]``  unknown
others in brackets                ``[嗯]`` ``<红楼梦>`` ``(S02)``            text
================================  ========================================  =============

Names are compared without case, `-`, `_`, `/` and spaces, traditional characters as simplified
ones. Brackets of full width count as others, and character references (`&lt;`) as what they stand
for. Names without brackets are words.
"""

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

# Sounds: also between round brackets, which hold words of a speaker otherwise.
_SOUND_NAMES = """
    sil silence noise spokennoise vocalizednoise vocalnoise humannoise nonhumannoise backgroundnoise
    environmentalnoise spn nsn unk unknown unclear unintelligible inaudible indistinct
    laugh laughs laughter laughing cough coughs coughing breath breathe breathing inhale exhale
    sigh sneeze sniff sniffle clearthroat crying yawn hiccup gasp
    lipsmack tongueclick pause shortpause longpause longsilence
    applause clapping beep dtmf overlap overlapping crosstalk babble nonspeech
    笑 笑声 大笑 噪音 噪声 杂音 静音 静默 咳嗽 咳嗽声 呼吸 呼吸声 喘气 喘气声 叹气 叹气声 停顿
    掌声 听不清 听不清楚 喷嚏 背景音 背景噪音 铃声 敲击声 电话铃声
"""
_OTHER_NAMES = """
    nps npn ens spk fil filler fill hes hesitation hesitate oov garbage xxx
    blank eps epsilon s sos eos soseos bos pad mask space sep cls
    cry throat swallow click smack break music song singing sing clap bell ring ringing phone tone
    background bg static echo distortion wind foreign foreignlanguage nontrans notranscription
    ignore ignoretimesegmentinscoring speech event bgm emo speechnoise laughterspeech
    zh cn en eng yue ja jp ko kr de fr es ru it pt nospeech auto
    neutral happy sad angry fearful disgusted surprised emounknown emoun withitn woitn
    fixed repeat restart mispronounced spelled
    沉默 音乐 歌声 重叠 不清楚 未知 口误
"""
_SOUNDS = frozenset(_SOUND_NAMES.split())
_ALL = _SOUNDS | frozenset(_OTHER_NAMES.split())
# Traditional characters of the names; the rule may not need the extra that writes all others.
_SIMPLIFIED = str.maketrans(
    "聲雜靜氣嘆歎頓聽噴鈴擊電話樂疊誤沈", "声杂静气叹叹顿听喷铃击电话乐叠误沉"
)
UNKNOWN_UNIT = re.compile(r"<\|?(?:unk|unknown|oov)\|?>|\[(?:unk|unknown|oov)\]", re.IGNORECASE)
"""Marks that a recogniser writes for a unit that it does not know."""

_MAY_BE_MARKED = re.compile(r"[<\[{(【〔〖〈＜［｛（﹤﹙﹛﹝〈*#@＊＃＠﹡﹟﹫&＆﹠]")
# One character for one: text of full width has marks, too.
_BRACKETS = str.maketrans(
    "＜＞［］｛｝（）｜﹤﹥﹙﹚﹛﹜﹝﹞〈〉＊＃＠﹡﹟﹫＆；﹠﹔",
    "<>[]{}()|<>(){}〔〕〈〉*#@*#@&;&;",
)
_REFERENCE = re.compile(
    r"&(?:amp;)*(?P<name>#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]\w{1,31});", re.A
)
_MARK = re.compile(
    r"<\|[^<>|]{0,80}\|>"
    r"|\{[^{}]{0,80}\}"
    r"|<(?P<angle>[^<>]+)>"
    r"|\[(?P<square>[^\[\]]+)\]"
    r"|[(](?P<round>[^()]{1,40})[)]"
    r"|[【〔〖〈](?P<lens>[^【】〔〕〖〗〈〉]{1,40})[】〕〗〉]"
    r"|(?P<sign>[*#@])(?P<signed>[^*#@\s]{1,40})(?P=sign)"
)
_IGNORED = re.compile(r"[-_/\s.]+")
_ASCII_LETTER = re.compile(r"[A-Za-z]")


@dataclass(frozen=True)
class Mark:
    """A mark in a transcript.

    Attributes:
        text: The mark with its brackets.
        is_known: Whether it is certainly none of the words said.
    """

    text: str
    is_known: bool


def find_marks(text: str) -> list[Mark]:
    """Find the marks of a transcript, from left to right.

    Args:
        text: Any string.
    """
    found: list[Mark] = []

    def note(mark: Mark) -> str:
        found.append(mark)
        return " "

    _replace(text, note)
    return found


def bracketed_text(text: str) -> list[str]:
    """Find what stands in brackets and is text nevertheless, such as `(S02)`, from left to right.

    Args:
        text: Any string.

    Returns:
        Pieces with a letter or digit, with their brackets.
    """
    found: list[str] = []
    _replace(text, lambda mark: " ", found)
    return found


def strip_marks(text: str, *, unknown: bool = False) -> str:
    """Replace the known marks of a transcript by spaces.

    Args:
        text: Any string.
        unknown: Whether to replace unknown marks, too. Otherwise they stay as they are.

    Returns:
        The text; brackets of full width become others, character references what they stand for.
    """
    return _replace(text, lambda mark: " " if mark.is_known or unknown else mark.text)


def _replace(
    text: str, replacement: Callable[[Mark], str], bracketed: list[str] | None = None
) -> str:
    if not _MAY_BE_MARKED.search(text):
        return text

    def replace(match: re.Match[str]) -> str:
        is_known = _is_known(match)
        if is_known is not None:
            return replacement(Mark(match[0], is_known))
        if bracketed is not None and match["sign"] is None and any(map(str.isalnum, match[0])):
            bracketed.append(match[0])
        # Text in brackets may hold marks of its own.
        return match[0][0] + _MARK.sub(replace, match[0][1:-1]) + match[0][-1]

    text = _REFERENCE.sub(lambda match: html.unescape(f"&{match['name']};"), text)
    return _MARK.sub(replace, text.translate(_BRACKETS))


def _is_known(match: re.Match[str]) -> bool | None:
    """Whether a mark is known; None for text in brackets."""
    kind = match.lastgroup
    if kind is None:
        return True
    content = unicodedata.normalize("NFKC", match[kind])
    # <s\u200bil>
    content = "".join(c for c in content if unicodedata.category(c) != "Cf")
    names = [content]
    if kind == "angle":
        # <noise type="door">
        names += content.split()[:1]
    known = _ALL if kind in ("angle", "square") else _SOUNDS
    if any(_canonical(name) in known for name in names):
        return True
    if known is _SOUNDS:
        return None
    if not any(character.isalnum() for character in content):
        return True
    return False if _ASCII_LETTER.search(content) else None


def _canonical(name: str) -> str:
    return _IGNORED.sub("", name).lower().translate(_SIMPLIFIED)
