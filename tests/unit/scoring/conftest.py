import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fake_experiment

from speechmoe_espnet.scoring.experiment import load_system


@pytest.fixture(scope="session")
def experiments(tmp_path_factory):
    """Directory with static, control and speechmoe, scored on four sets."""
    root = tmp_path_factory.mktemp("exp")
    references = root / "dump"
    fake_experiment.make_references(references)
    for seed, (name, rate, num_experts) in enumerate(
        [("static", 0.22, 1), ("control", 0.2, 1), ("speechmoe", 0.15, 8)]
    ):
        fake_experiment.make_experiment(
            root / name, references, error_rate=rate, seed=seed, num_experts=num_experts
        )
    return root


@pytest.fixture(scope="session")
def systems(experiments):
    """The three systems, read."""
    return [
        load_system(name, experiments / name, "ctc_greedy", fake_experiment.SETS)
        for name in ("static", "control", "speechmoe")
    ]
