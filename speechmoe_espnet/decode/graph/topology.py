"""CTC topology, and the input labels of a graph.

Unit `i` of a model has the input label `i + 1`, since 0 is epsilon. Disambiguation symbols follow
all units: `#0` marks the grammar's back-off arcs, `#1`, `#2` and so on distinguish pronunciations.
"""

import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.decode.graph.fst_arrays import EPSILON, FstArrays


def unit_label(unit_id: int) -> int:
    """Return the input label of a unit."""
    return unit_id + 1


def backoff_label(num_tokens: int) -> int:
    """Return the input label of `#0`; the label of `#n` is greater by n."""
    return num_tokens + 1


def ctc_topology(unit_ids: NDArray[np.int64], blank_id: int = 0) -> FstArrays:
    """Make the transducer from frames to units: repeats collapse, blanks vanish.

    State 0 means "blank, or nothing yet"; state k + 1 means "the last unit was k". A unit may
    follow itself only after a blank, so the transducer contains every CTC path exactly once.

    Args:
        unit_ids: Distinct units other than the blank, (units,).
        blank_id: Id of the blank.

    Returns:
        The transducer from frame labels to unit labels, without costs; all states are final.

    Raises:
        ValueError: A unit occurs twice, or is the blank.
    """
    if len(np.unique(unit_ids)) != len(unit_ids) or blank_id in unit_ids:
        raise ValueError("units must be distinct and must not include the blank")
    num_units = len(unit_ids)
    labels = np.asarray(unit_ids, dtype=np.int64) + 1
    states = np.arange(1, num_units + 1)
    source = np.concatenate([np.zeros(num_units), np.repeat(states, num_units)]).astype(np.int64)
    entered = np.tile(states, num_units + 1)
    entered_label = np.tile(labels, num_units + 1)
    moves = source != entered
    source, entered, entered_label = source[moves], entered[moves], entered_label[moves]
    none = np.full(num_units, EPSILON)
    blanks = np.arange(num_units + 1)
    olabel = np.concatenate([entered_label, none, np.zeros_like(blanks)])
    return FstArrays.from_arcs(
        source=np.concatenate([source, states, blanks]),
        ilabel=np.concatenate([entered_label, labels, np.full_like(blanks, unit_label(blank_id))]),
        olabel=olabel,
        weight=np.zeros(len(olabel)),
        target=np.concatenate([entered, states, np.zeros_like(blanks)]),
        final=np.zeros(num_units + 1),
    )
