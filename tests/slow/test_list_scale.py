"""Time of every stage grows as its list does, and memory by a few KiB an utterance."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from list_scale import make_lists, measure, stages

SIZES = (1_000, 10_000, 30_000)
# Twice the utterances shall not take four times as long; starts of Python differ by a second.
STEEPER, SECONDS = 2.0, 1.0
KIB_AN_UTTERANCE, MIB = 4.0, 20.0

type Costs = Mapping[int, tuple[float, float]]


def faults(costs: Costs) -> list[str]:
    """Compare the growth between the two longer lists with that between the two shorter ones.

    Args:
        costs: CPU seconds and peak of memory in MiB, by the number of utterances.
    """
    (small, (t0, _)), (middle, (t1, m1)), (large, (t2, m2)) = sorted(costs.items())
    linear = max(t1 - t0, 0.0) * (large - middle) / (middle - small)
    found = []
    if t2 - t1 > STEEPER * linear + SECONDS:
        found.append(f"{t2 - t1:.1f} s more for {large} utterances, {linear:.1f} s if linear")
    if m2 - m1 > KIB_AN_UTTERANCE * (large - middle) / 1024 + MIB:
        found.append(f"{m2 - m1:.0f} MiB more for {large - middle} utterances")
    return found


@pytest.mark.parametrize("start", [0.5, 8.0])
def test_what_is_a_fault(start: float) -> None:
    def costs(seconds: float, kib: float, power: int) -> Costs:
        return {n: (start + seconds * (n / 10_000) ** power, 50 + kib * n / 1024) for n in SIZES}

    assert faults(costs(8.0, 1.7, 1)) == []
    assert len(faults(costs(1.0, 1.7, 2))) == 1
    assert len(faults(costs(8.0, 6.0, 1))) == 1


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Costs]:
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for size in SIZES:
        folder = tmp_path_factory.mktemp("lists")
        make_lists(folder, size)
        for name, command in stages(folder).items():
            cost = measure(command)
            found.setdefault(name, {})[size] = float(cost["cpu"]), float(cost["mib"])
    return dict(found)


@pytest.mark.parametrize("name", stages(Path()))
def test_stages_are_linear_in_the_list(measured: dict[str, Costs], name: str) -> None:
    assert not faults(measured[name]), measured[name]
