import json

import fake_experiment
import pytest

from speechmoe_espnet.grids.finished import FinishedRun
from speechmoe_espnet.grids.summary import summarize
from speechmoe_espnet.results.trained_system import load_system

SETS = ("read", "chat")
SYSTEMS = {
    "static": ({"encoder_conf.num_experts": 1}, 0.20, 1),
    "wide": ({"encoder_conf.num_experts": 1, "encoder_conf.linear_units": 512}, 0.18, 3),
    "moe4": ({"encoder_conf.num_experts": 4}, 0.17, 3),
    "moe8": ({"encoder_conf.num_experts": 8, "encoder_conf.router": "speechmoe"}, 0.12, 5),
}
SEEDS = (1, 2, 3)


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory):
    """Four systems with three seeds each, scored on two sets, in units too."""
    root = tmp_path_factory.mktemp("grid")
    references = root / "dump"
    fake_experiment.make_references(references, SETS, num_utts=20)
    runs = []
    for system, (settings, rate, size) in SYSTEMS.items():
        for seed in SEEDS:
            directory = root / f"{system}-s{seed}"
            fake_experiment.make_experiment(
                directory,
                references,
                SETS,
                error_rate=rate * (1 + 0.02 * seed),
                seed=seed + 10 * size,
                num_experts=settings["encoder_conf.num_experts"],
                in_units=True,
            )
            model = directory / "decode_ctc_greedy" / "model.json"
            fields = json.loads(model.read_text())
            fields |= {"params_total": 230_000 * size}
            if system == "wide":
                fields |= {"params_active": 690_000, "flops_per_second_of_audio": 71_000_000}
            model.write_text(json.dumps(fields))
            outcome = load_system(system, directory, "ctc_greedy", SETS)
            runs.append(FinishedRun(system, seed, settings, outcome))
    return runs


@pytest.fixture(scope="session")
def summary(finished_runs):
    """The summary of these runs against the static system."""
    return summarize(finished_runs, "static", num_resamples=1000)
