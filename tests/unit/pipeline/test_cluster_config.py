"""ESPnet3's `parallel:` block, as it is read here and there."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from speechmoe_espnet.data.worker_options import read_cluster
from speechmoe_espnet.pipeline.cluster_config import SCHEDULERS, ClusterConfig
from speechmoe_espnet.pipeline.dask_workers import make_cluster

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "conf/cluster").glob("*.yaml"))


def test_every_scheduler_has_an_example() -> None:
    assert {path.stem for path in FILES} == {"local", "slurm", "pbs", "sge", "lsf", "ssh", "kube"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_examples(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is read, and Dask takes its options: a job script is made where there is one."""
    config = read_cluster(path)
    assert config.env == path.stem
    if config.env not in SCHEDULERS:
        return
    dask_jobqueue = pytest.importorskip("dask_jobqueue", reason="needs the extra cluster")
    program = getattr(dask_jobqueue, SCHEDULERS[config.env]).job_cls.submit_command
    (tmp_path / program).write_text("#!/bin/sh\n")
    (tmp_path / program).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    options = {**config.options, "scheduler_options": {"dashboard_address": ":0"}}
    with make_cluster(ClusterConfig(config.env, config.n_workers, options)) as cluster:
        assert "--nthreads 1" in cluster.job_script()


def test_names_are_those_of_espnet3() -> None:
    parallel = pytest.importorskip("espnet3.parallel.parallel", reason="needs the extra espnet3")
    theirs = {name: kind.__name__ for name, kind in parallel.CLUSTER_MAP.items()}
    assert theirs.pop("ssh") == "SSHCluster"
    assert theirs == SCHEDULERS


def test_a_whole_configuration_of_espnet3_is_read(tmp_path: Path) -> None:
    path = tmp_path / "inference.yaml"
    path.write_text("model: {}\nparallel:\n  env: slurm\n  n_workers: 8\n  options: {queue: gpu}\n")
    assert read_cluster(path) == ClusterConfig("slurm", 8, {"queue": "gpu"})


@pytest.mark.parametrize(
    "path", sorted((ROOT / "egs3").rglob("inference*.yaml")), ids=lambda path: path.stem
)
def test_configurations_of_the_espnet3_recipe(path: Path) -> None:
    assert read_cluster(path) == ClusterConfig("local", 1, {"processes": False})


def test_what_is_left_out_is_that_of_espnet3s_defaults(tmp_path: Path) -> None:
    """ESPnet3 merges a configuration over the file of its template."""
    espnet3 = find_spec("espnet3")
    if espnet3 is None or espnet3.origin is None:
        pytest.skip("needs the extra espnet3")
    template = Path(espnet3.origin).parents[1] / "egs3/TEMPLATE/esp2_asr/conf/inference.yaml"
    theirs = read_cluster(template)
    path = tmp_path / "inference.yaml"
    path.write_text("parallel: {}\n")
    assert read_cluster(path) == theirs


@pytest.mark.parametrize(
    ("block", "told"),
    [
        (None, "no block `parallel:`"),
        ({"env": "slurn"}, "env: one of local, .*, got 'slurn'"),
        ({"env": None}, "env: one of .*, got None"),
        ({"env": "local_gpu"}, "got 'local_gpu'"),
        ({"env": "local", "n_workers": 0}, "n_workers: at least 1, got 0"),
        ({"env": "local", "n_workers": "two"}, "n_workers: expected a whole number, got 'two'"),
        ({"env": "local", "workers": 2}, "unknown workers"),
        ({"env": "local", "options": [1]}, "options: expected `key: value` lines"),
        ({"env": "ssh", "n_workers": 2, "options": {"hosts": ["a", "b"]}}, "have 2 hosts"),
        ({"env": "ssh", "options": {"hosts": 3}}, "hosts: expected a list of names, got 3"),
        ({"env": "ssh", "options": {"hosts": None}}, "hosts: expected a list"),
        ({"env": "slurm", "options": {1: 2}}, "options: names are text, got 1"),
        ({"env": "local", "n_workers": 10**9}, "n_workers: at most 100000"),
        ({"env": "slurm", "options": {"queue": "${oc.env:Q}"}}, "write the value"),
    ],
)
def test_mistakes(block: Any, told: str, tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump({"parallel": block}))
    with pytest.raises(ValueError, match=told) as caught:
        read_cluster(path)
    assert str(caught.value).startswith(f"{path}: ")
