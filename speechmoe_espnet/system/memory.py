"""Resident memory of this process, as reported by the kernel.

`getrusage` is not used: its peak includes the memory of the program that started this process.
"""


def resident_bytes(*, peak: bool = False) -> int:
    """Return the resident memory of this process, in bytes.

    Args:
        peak: Return the peak instead of the current value.

    Raises:
        ValueError: The kernel does not report it (the system is not Linux).
    """
    field = "VmHWM" if peak else "VmRSS"
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            name, value = line.split(":", 1)
            if name == field:
                return int(value.split()[0]) * 1024
    raise ValueError(f"/proc/self/status has no {field}; memory is measured on Linux only")
