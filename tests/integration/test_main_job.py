"""run_all.sh from nothing to the table, and a second time for nothing."""

import json

from project import Project, snapshot

SETS = {"read", "chat", "spon", "aishell2"}


def test_main_job(empty_project: Project) -> None:
    root = empty_project.root
    output = empty_project.run("./run_all.sh", "--preset", "tiny", "--nj", "2")
    table = (root / "exp/report/table.txt").read_text()
    assert table in output
    assert "exp/report/index.html" in output

    results = json.loads((root / "exp/report/results.json").read_text())
    assert set(results["systems"]) == {"static", "control", "speechmoe"}
    for system in results["systems"].values():
        assert set(system["sets"]) == SETS
        assert {"params_total", "params_active", "flops_per_second_of_audio"} <= set(system)
        assert {"steps", "seconds_training", "rtf"} <= set(system)
        for figures in system["sets"].values():
            assert set(figures) >= {"cer", "num_utts", "num_chars", "sub", "del", "ins"}
    assert set(results["relative_change"]) >= SETS
    for name in SETS:
        assert set(results["relative_change"][name]) >= {"mean", "low", "high"}
    assert results["seed"] == 0
    assert results["seconds_total"] > 1
    assert {"versions", "commit"} <= set(results)
    control, speechmoe = (results["systems"][name] for name in ("control", "speechmoe"))
    assert control["steps"] == speechmoe["steps"]
    assert speechmoe["params_total"] > control["params_total"]

    before = snapshot(root / "exp"), snapshot(root / "egs")
    output = empty_project.run("./run_all.sh", "--preset", "tiny", "--nj", "1")
    assert (snapshot(root / "exp"), snapshot(root / "egs")) == before
    assert "making" not in output
    assert table in output
