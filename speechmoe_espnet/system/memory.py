"""How much memory this process holds, as the kernel tells it.

`getrusage` will not do: its peak counts what the program that started this one had held.
"""


def resident_bytes(*, peak: bool = False) -> int:
    """Return the resident memory of this process, in bytes.

    Args:
        peak: The most it ever held, not what it holds now.

    Raises:
        ValueError: The kernel does not tell (this is no Linux).
    """
    field = "VmHWM" if peak else "VmRSS"
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            name, value = line.split(":", 1)
            if name == field:
                return int(value.split()[0]) * 1024
    raise ValueError(f"/proc/self/status has no {field}; memory is measured on Linux only")
