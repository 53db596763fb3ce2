"""Fixtures: fake experiments for tests of scoring, results and reports."""

import fake_experiment
import pytest

from speechmoe_espnet.results.trained_system import load_system

SOME_SETS = ("read", "chat")


@pytest.fixture(scope="session")
def experiments(tmp_path_factory):
    """Directory with the systems static, control and speechmoe, scored on four sets."""
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
    """The three systems, loaded."""
    return [
        load_system(name, experiments / name, "ctc_greedy", fake_experiment.SETS)
        for name in ("static", "control", "speechmoe")
    ]


@pytest.fixture(scope="session")
def decoded_experiments(tmp_path_factory):
    """Directory with the systems greedy, old, wfst and tuned; the last two also scored in units."""
    root = tmp_path_factory.mktemp("decoded")
    references = root / "dump"
    fake_experiment.make_references(references, SOME_SETS, num_utts=10)
    wfst = {"method": "wfst", "lm_weight": 0.7, "insertion_bonus": 0.0, "beam": 12.0, "tuned": {}}
    weights = {"lm_weight": 0.85, "insertion_bonus": 0.5}
    for seed, (name, decoding) in enumerate(
        {
            "greedy": {"method": "ctc_greedy", "lm_weight": 1.0, "insertion_bonus": 0.0},
            "old": None,
            "wfst": wfst,
            "tuned": {**wfst, **weights, "tuned": weights},
        }.items()
    ):
        fake_experiment.make_experiment(
            root / name,
            references,
            SOME_SETS,
            error_rate=0.2,
            seed=seed,
            decode="wfst",
            decoding=decoding,
            in_units=name in ("wfst", "tuned"),
        )
    return root


@pytest.fixture(scope="session")
def decoded_systems(decoded_experiments):
    """The four systems of `decoded_experiments`, loaded."""
    return [
        load_system(name, decoded_experiments / name, "wfst", SOME_SETS)
        for name in ("greedy", "old", "wfst", "tuned")
    ]
