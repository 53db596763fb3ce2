"""Memory that a process has used stays with it, instead of going back and being zeroed anew.

A training step frees and asks for the same tensors again and again. glibc returns large ones to
the kernel at once, and each of their pages then costs a page fault at the next step: most of
all the gradients of experts, which are E times those of a dense layer.
"""

import ctypes
import os

# Numbers of malloc.h; not in Python's standard library.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_LARGEST_MMAP_THRESHOLD = 32 << 20
_TOP_PAD = 64 << 20
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Make glibc keep what is freed, and torch ask for huge pages for what is larger still.

    Call it before large tensors are made (torch reads its setting at the first one; importing
    ESPnet makes one): `speechmoe_espnet.bin` does. Settings that the user made in the environment
    (MALLOC_*, GLIBC_TUNABLES, THP_MEM_ALLOC_ENABLE, or another allocator by LD_PRELOAD) win.

    Returns:
        Whether the C library took the settings; False elsewhere than with glibc.
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
