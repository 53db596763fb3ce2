import os
from pathlib import Path

import numpy as np
import pytest

from speechmoe_espnet.system.memory import resident_bytes


def test_equals_the_page_count_of_the_kernel():
    block = np.ones(50_000_000 // 8)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    held = resident_bytes()
    assert held == pytest.approx(pages * os.sysconf("SC_PAGE_SIZE"), rel=0.05)
    assert resident_bytes(peak=True) >= held > block.nbytes
