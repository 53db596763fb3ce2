"""Processes of a training, and absolute paths, as the stages of a recipe are told of them."""

import pytest
from fake_recipe import Recipe

MINE = ("--token-type", "char", "--expname", "mine")


@pytest.mark.parametrize(
    ("options", "processes", "ngpu", "nodes"),
    [
        ((), "1", "0", "1"),
        (("--num-processes", "2"), "2", "0", "1"),
        (("--ngpu", "2", "--num-nodes", "3"), "1", "2", "3"),
    ],
)
def test_training(
    recipe: Recipe, options: tuple[str, ...], processes: str, ngpu: str, nodes: str
) -> None:
    recipe.run(*MINE, *options, stage=5)
    target = "exp/synthetic/mine"
    assert recipe.words(target)[0] == "asr_train"
    assert recipe.value(target, "--num_processes") == processes
    assert recipe.value(target, "--ngpu") == ngpu
    assert recipe.value(target, "--num_nodes") == nodes
    # As the number of GPUs, that of processes and of machines is no reason to train anew.
    assert "making" not in recipe.run(*MINE, stage=5)


def test_mistake(recipe: Recipe) -> None:
    told = recipe.run(*MINE, "--num-processes", "2", "--ngpu", "1", stage=5, status=1)
    assert "a training on GPUs has one process each" in told


@pytest.mark.parametrize("stage", [1, 2])
def test_absolute_paths(recipe: Recipe, stage: int) -> None:
    target = {1: "data/synthetic", 2: "dump/synthetic/train"}[stage]
    recipe.run("--absolute-paths", stage=stage)
    assert "--absolute_paths" in recipe.words(target)
    recipe.run(stage=stage)
    assert "--absolute_paths" not in recipe.words(target)


def test_a_cluster_does_what_processes_do(recipe: Recipe) -> None:
    targets = {"data/synthetic": 1, "dump/synthetic/train": 2, "exp/synthetic/stats_char": 4}
    file = "../../../conf/cluster/local.yaml"
    for target, stage in targets.items():
        recipe.run("--cluster", "conf/cluster/local.yaml", stage=stage)
        assert recipe.value(target, "--cluster") == file
        # Where a stage is done is no reason to do it anew.
        assert "making" not in recipe.run("--nj", "3", stage=stage)


def test_a_cluster_that_is_none(recipe: Recipe) -> None:
    told = recipe.run("--cluster", "conf/fbank.yaml", stage=1, status=1)
    assert "conf/fbank.yaml: no block `parallel:`" in told
