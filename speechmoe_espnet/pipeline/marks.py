"""Marks of stages: what they record, and what follows from an earlier one."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speechmoe_espnet.pipeline.atomic_file import write_text_atomically
from speechmoe_espnet.pipeline.digests import (
    DONE,
    NO_EFFECT_ON_RESULTS,
    read_mark,
    split_options,
)


def write_mark(path: Path, mark: Mapping[str, object]) -> None:
    """Write a mark file; it is complete or absent."""
    write_text_atomically(
        path, json.dumps(mark, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    )


def timestamp(seconds: float) -> str:
    """Return a point in time as marks hold it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))


def goes_on(earlier: Mapping[str, Any], mark: Mapping[str, Any]) -> bool:
    """Return whether a training is that of a mark, or a shorter one that it goes on with."""
    if earlier.get("digest") == mark["digest"]:
        return True
    before, now = earlier.get("length") or {}, mark["length"]
    if not now or before.keys() != now.keys():
        return False
    if earlier.get("digest_without_length") != mark["digest_without_length"]:
        return False
    lengths = [*before.values(), *now.values()]
    return all(text.isdecimal() for text in lengths) and all(
        int(before[name]) <= int(now[name]) for name in now
    )


def made_with(command: Sequence[str], target: Path) -> str:
    """Say with which number of processes a target was made, where it is another one now.

    Results do not depend on it, but times do, such as a real-time factor.
    """
    mark = read_mark(target / DONE) or {}
    _, before = split_options(mark.get("command", ()), NO_EFFECT_ON_RESULTS)
    _, now = split_options(command, NO_EFFECT_ON_RESULTS)
    if before == now:
        return ""
    words = [f"--{name} {value}".rstrip() for name, value in before.items()]
    return f" (made, and its times measured, with {' '.join(words)})" if words else ""
