"""Memory of this process and of the machine, as reported by the kernel.

`getrusage` is not used: its peak includes the memory of the program that started this process.
"""

from pathlib import Path

# Limit and use of memory in a container: of control groups 2 and 1.
_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


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


def available_bytes() -> int:
    """Return how much more memory can be used, in bytes: of the machine, or of the container.

    Raises:
        ValueError: The kernel does not report it (the system is not Linux).
    """
    found = [_meminfo("MemAvailable")]
    for limit, used in _LIMITS:
        try:
            numbers = [Path(path).read_text(encoding="ascii").strip() for path in (limit, used)]
        except OSError:
            continue
        if all(number.isdecimal() for number in numbers):
            found.append(max(0, int(numbers[0]) - int(numbers[1])))
    return min(found)


def total_bytes() -> int:
    """Return the memory of the machine, in bytes.

    Raises:
        ValueError: The kernel does not report it (the system is not Linux).
    """
    return _meminfo("MemTotal")


def _meminfo(field: str) -> int:
    with open("/proc/meminfo", encoding="ascii") as lines:
        for line in lines:
            name, value = line.split(":", 1)
            if name == field:
                return int(value.split()[0]) * 1024
    raise ValueError(f"/proc/meminfo has no {field}; memory is measured on Linux only")
