"""Processes, threads, device and machine of a real-time factor, which holds for these alone."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

RESCORED_WITH = "rescored_with"
"""Key of `rtf.json` with the resources of rescoring, beside those of decoding."""


@dataclass(frozen=True)
class Resources:
    """What a real-time factor was measured with.

    Attributes:
        num_processes: Processes that worked in parallel.
        num_threads: CPU threads of each.
        device: `CPU` or `GPU`.
        machine: The machine, in words.
    """

    num_processes: int
    num_threads: int
    device: str
    machine: str

    @classmethod
    def words_of(cls, record: Mapping[str, Any]) -> str | None:
        """Say in words what `rtf.json` was measured with, None where it does not tell."""
        decoding = cls._from_record(record)
        if decoding is None:
            return None
        rescoring = cls._from_record(record.get(RESCORED_WITH) or {})
        return decoding.words() + (f", rescoring {rescoring.words()}" if rescoring else "")

    @classmethod
    def _from_record(cls, record: Mapping[str, Any]) -> Self | None:
        names = [field.name for field in dataclasses.fields(cls)]
        if not all(name in record for name in names):
            return None
        return cls(**{name: record[name] for name in names})

    def words(self) -> str:
        """Say how many processes and threads there were, and of which device."""
        if self.device != "CPU":
            return self.device
        if self.num_processes == 1:
            return f"{self.num_threads} CPU thread{'s' if self.num_threads > 1 else ''}"
        return f"{self.num_processes} x {self.num_threads} CPU threads"
