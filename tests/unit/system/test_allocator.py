"""Freed memory is kept: a new process has no page faults the second time."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import resource, sys
import torch
from speechmoe_espnet.system.allocator import keep_freed_memory
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


def printed(program, *arguments, env):
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=env,
    )
    return run.stdout


def faults(mode, **env):
    return int(printed(PROGRAM, mode, env={"THP_MEM_ALLOC_ENABLE": "0", **env}))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_kept_memory_costs_no_page_faults():
    pages = 4 * (1 << 22) // 4096
    assert faults("keep") < pages
    # A small fixed threshold returns each tensor: every use in every round faults again.
    assert faults("leave", MALLOC_MMAP_THRESHOLD_="131072") > 4 * pages


def test_settings_of_the_user_take_precedence(monkeypatch):
    from speechmoe_espnet.system.allocator import keep_freed_memory

    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    assert keep_freed_memory() is False


HUGE_PAGES = """
import speechmoe_espnet.bin.asr_train
import torch
tensor = torch.zeros(1 << 24)
address = tensor.data_ptr() + tensor.nbytes // 2
with open("/proc/self/smaps") as mappings:
    for line in mappings:
        first, *rest = line.split()
        if "-" in first:
            begin, end = (int(bound, 16) for bound in first.split("-"))
        elif first == "VmFlags:" and begin <= address < end:
            print(*rest)
"""


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage/enabled").exists()
    or "[never]" in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text(),
    reason="the kernel gives no huge pages",
)
def test_a_training_asks_for_huge_pages_for_its_large_tensors():
    # Only the request is checked: whether the kernel grants it depends on fragmentation.
    def flags(**env):
        return printed(HUGE_PAGES, env={**os.environ, **env}).split()

    assert "hg" in flags()
    assert "hg" not in flags(THP_MEM_ALLOC_ENABLE="0")
