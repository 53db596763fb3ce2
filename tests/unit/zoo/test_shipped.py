"""The models in the package: there, small, and described."""

import zipfile

import pytest
import yaml

from speechmoe_espnet.zoo.shipped import DEFAULT, DEFAULT_BASELINE, shipped_models

MEGABYTES = {DEFAULT: 6.0, DEFAULT_BASELINE: 3.5}


def test_the_default_and_its_baseline_ship() -> None:
    assert shipped_models().keys() == MEGABYTES.keys()


@pytest.mark.parametrize("name", MEGABYTES)
def test_a_shipped_model_is_small_and_says_its_licence(name: str) -> None:
    archive = shipped_models()[name]
    assert archive.stat().st_size < MEGABYTES[name] * 1e6
    with zipfile.ZipFile(archive) as file:
        meta = yaml.safe_load(file.read("meta.yaml"))
        card = file.read("README.md").decode()
        weights = file.getinfo(meta["compact"]["weights"])
    assert meta["compact"]["order"] >= 3
    assert "Apache-2.0" in card
    assert "AISHELL-1" in card
    assert weights.compress_size < 4.2e6


def test_they_differ_in_their_experts_alone() -> None:
    confs = []
    for name in MEGABYTES:
        with zipfile.ZipFile(shipped_models()[name]) as file:
            confs.append(yaml.safe_load(file.read("exp/config.yaml")))
    one, two = (conf["encoder_conf"] for conf in confs)
    assert (one.pop("moe_conf")["num_experts"], two.pop("moe_conf")["num_experts"]) == (8, 1)
    assert one == two
    assert confs[0]["token_list"] == confs[1]["token_list"]
