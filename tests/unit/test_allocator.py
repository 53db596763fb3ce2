"""Freed memory stays: a fresh process pays no page faults the second time."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from speechmoe_espnet.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def use():
    return [torch.zeros(1 << 20) for _ in range(4)]
for _ in range(5):
    use()
before = faults()
for _ in range(5):
    use()
print(faults() - before)
"""


def faults(mode, **env):
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode],
        capture_output=True,
        text=True,
        check=True,
        env={"THP_MEM_ALLOC_ENABLE": "0", **env},
    )
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_kept_memory_costs_no_page_faults():
    pages = 4 * (1 << 22) // 4096
    assert faults("keep") < pages
    # A fixed small threshold sends each tensor back: every use of every round faults again.
    assert faults("leave", MALLOC_MMAP_THRESHOLD_="131072") > 4 * pages


def test_settings_of_the_user_win(monkeypatch):
    from speechmoe_espnet.allocator import keep_freed_memory

    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    assert keep_freed_memory() is False
