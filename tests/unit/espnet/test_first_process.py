"""The process that writes files, as ESPnet, torchrun and Slurm number them."""

from argparse import Namespace

import pytest

from speechmoe_espnet.espnet.first_process import is_first_process


@pytest.mark.parametrize(
    ("distributed", "rank", "environment", "first"),
    [
        (False, None, "1", True),
        (True, 0, None, True),
        (True, 1, None, False),
        (True, None, "0", True),
        (True, None, "1", False),
        (True, 0, "1", True),
    ],
)
def test_rank(
    distributed: bool,
    rank: int | None,
    environment: str | None,
    first: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RANK", raising=False)
    if environment is not None:
        monkeypatch.setenv("RANK", environment)
    args = Namespace(distributed=distributed, dist_rank=rank, dist_launcher=None)
    assert is_first_process(args) == first
