import numpy as np

from speechmoe_espnet.memory import resident_bytes


def test_peak_stays_when_memory_is_given_back():
    before = resident_bytes()
    block = np.ones(50_000_000 // 8)
    held = resident_bytes()
    del block
    assert before + 40e6 < held <= resident_bytes(peak=True)
    assert resident_bytes(peak=True) >= resident_bytes()
