"""Shell commands as users run them: a process, its exit status and output."""

import subprocess
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]


class Shell(Protocol):
    def __call__(
        self, *command: str | Path, cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]: ...
