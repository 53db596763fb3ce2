import itertools

import kaldifst
import numpy as np
import pytest

from speechmoe_espnet.decode.graph.topology import ctc_topology, unit_label


def _writes(fst, frames):
    """Return all output sequences of a transducer for given frames, with their multiplicity."""
    composed = kaldifst.compose(kaldifst.make_linear_acceptor(frames), fst)
    if composed.num_states == 0:
        return []
    paths = kaldifst.convert_nbest_to_vector(kaldifst.shortest_path(composed, n=1000))
    return [tuple(kaldifst.get_linear_symbol_sequence(path)[2]) for path in paths]


@pytest.mark.parametrize("blank_id", [0, 2])
def test_every_frame_path_collapses_by_ctc_in_exactly_one_way(blank_id):
    units = [unit for unit in range(4) if unit != blank_id]
    fst = ctc_topology(np.array(units), blank_id).to_fst()
    kaldifst.arcsort(fst, "ilabel")
    for length in range(1, 5):
        for path in itertools.product(range(4), repeat=length):
            collapsed = [unit for unit, _ in itertools.groupby(path) if unit != blank_id]
            written = _writes(fst, [unit_label(unit) for unit in path])
            assert written == [tuple(unit_label(unit) for unit in collapsed)]


def test_units_are_distinct_and_no_blank():
    for units in ([1, 1], [0, 1]):
        with pytest.raises(ValueError, match="distinct"):
            ctc_topology(np.array(units))
