"""Fixture of the processes in `rank_processes`."""

from collections.abc import Iterator

import pytest
from rank_processes import RankProcesses


@pytest.fixture(scope="session")
def ranks() -> Iterator[RankProcesses]:
    """Processes that run functions as ranks."""
    processes = RankProcesses()
    yield processes
    processes.close()
