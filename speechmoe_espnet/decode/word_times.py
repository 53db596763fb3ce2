"""Where each unit and each word of a frame path was heard.

Determinization moves words along their units, so that the frame at which a path writes a word
says little. The units tell: each word is made of the next units by one of its pronunciations.
"""

from collections.abc import Mapping, Sequence

from speechmoe_espnet.data.lexicon import Pronunciation
from speechmoe_espnet.decode.hypothesis import Word


def units_of_path(
    unit_ids: Sequence[int], frame_numbers: Sequence[int], num_frames: int, blank_id: int = 0
) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Collapse a frame path.

    Args:
        unit_ids: Unit of each frame searched.
        frame_numbers: Number of each of these frames, rising; frames between were skipped as
            blanks.
        num_frames: Number of frames of the utterance.
        blank_id: Id of the blank.

    Returns:
        The units, and first frame and the frame after the last of each.
    """
    units: list[int] = []
    spans: list[tuple[int, int]] = []
    before = blank_id
    for unit, frame in zip(unit_ids, frame_numbers, strict=True):
        if unit != blank_id:
            if unit == before:
                spans[-1] = (spans[-1][0], min(frame + 1, num_frames))
            else:
                units.append(unit)
                spans.append((frame, frame + 1))
        before = unit
    return tuple(units), tuple(spans)


def align_words(
    words: Sequence[str],
    units: Sequence[str],
    spans: Sequence[tuple[int, int]],
    lexicon: Mapping[str, Sequence[Pronunciation]],
) -> tuple[Word, ...]:
    """Say when each word was heard.

    Args:
        words: Words of a path.
        units: Its units, the pronunciations of the words one after the other.
        spans: First frame and the frame after the last of each unit.
        lexicon: Pronunciations by word.

    Returns:
        The words with their frames. Where several choices of pronunciations fit, the words
        before get the longest ones.

    Raises:
        ValueError: The units are not made of the words.
    """
    units = tuple(units)
    # reachable[k]: where the k-th word may end, and where it then starts.
    reachable: list[dict[int, int]] = [{0: 0}]
    for word in words:
        ends: dict[int, int] = {}
        for start in reachable[-1]:
            for pronunciation in lexicon.get(word, ()):
                end = start + len(pronunciation)
                if units[start:end] == tuple(pronunciation):
                    ends[end] = max(ends.get(end, 0), start)
        reachable.append(ends)
    place = len(units)
    if place not in reachable[-1]:
        raise ValueError(f"{' '.join(units)} are not the units of {' '.join(words)}")
    result = []
    for number in range(len(words), 0, -1):
        start = reachable[number][place]
        result.append(Word(words[number - 1], spans[start][0], spans[place - 1][1]))
        place = start
    return tuple(reversed(result))
