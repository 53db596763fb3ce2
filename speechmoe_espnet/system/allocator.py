"""Allocator settings that keep freed memory in the process.

Every training step frees and allocates the same tensors. glibc returns large ones to the kernel at
once, and each of their pages costs a page fault in the next step. This matters most for the
gradients of experts, which are E times as large as those of a dense layer.
"""

import ctypes
import os

# Constants of malloc.h, which Python's standard library lacks.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_LARGEST_MMAP_THRESHOLD = 32 << 20
_TOP_PAD = 64 << 20
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory, and torch request huge pages for larger tensors.

    Call it before the first large tensor, when torch reads its setting; importing ESPnet makes one.
    `speechmoe_espnet.bin` does so. Settings in the environment (MALLOC_*, GLIBC_TUNABLES,
    THP_MEM_ALLOC_ENABLE, or another allocator by LD_PRELOAD) take precedence.

    Returns:
        Whether the C library accepted the settings; False without glibc.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {
        _M_MMAP_THRESHOLD: _LARGEST_MMAP_THRESHOLD,
        _M_TRIM_THRESHOLD: _NEVER,
        _M_TOP_PAD: _TOP_PAD,
    }
    taken = [mallopt(option, value) == 1 for option, value in settings.items()]
    return all(taken)
