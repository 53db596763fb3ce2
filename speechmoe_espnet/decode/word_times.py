"""Times of the units and words of a frame path.

Determinization moves words along their units, so the frame at which a path outputs a word is not
its time. Words are aligned with units instead: each word covers the units of one of its
pronunciations.
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
        frame_numbers: Number of each of these frames, ascending; missing frames were skipped as
            blanks.
        num_frames: Number of frames of the utterance.
        blank_id: Id of the blank.

    Returns:
        The units, and for each its first frame and the frame after its last one.
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
    """Align words with units.

    Args:
        words: Words of a path.
        units: Units of the path: the concatenated pronunciations of the words.
        spans: First frame of each unit and the frame after its last one.
        lexicon: Pronunciations by word.

    Returns:
        The words with their frames. If several choices of pronunciations fit, earlier words get
        the longest ones.

    Raises:
        ValueError: The units are no sequence of pronunciations of the words.
    """
    units = tuple(units)
    # reachable[k]: possible ends of the k-th word, each with its start.
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
