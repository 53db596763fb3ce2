"""Paths that configurations of ESPnet3 name stay, whatever moves elsewhere in the package."""

import ast
import importlib
import re
from pathlib import Path

import pytest
import yaml
from models import TOKENS

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "egs3" / "mix" / "esp2_asr"
# Written in configurations and config.yaml of experiments: a path here may be added, none may go.
PATHS = (
    "speechmoe_espnet.task.SpeechMoEASRTask",
    "speechmoe_espnet.task.system.SpeechMoEASRSystem",
    "speechmoe_espnet.task.kaldi_dataset.Dataset",
    "speechmoe_espnet.task.kaldi_dataset.DatasetBuilder",
    "speechmoe_espnet.Speech2Text",
)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_leads_to_its_class(path):
    if ".system." in path or ".kaldi_dataset." in path:
        pytest.importorskip("lightning", reason="needs the packages of the extra espnet3")
    module, _, name = path.rpartition(".")
    assert isinstance(getattr(importlib.import_module(module), name), type)


@pytest.mark.parametrize(
    "file", [*RECIPE.glob("conf/*.yaml"), RECIPE / "run.py", ROOT / "docs" / "howto" / "espnet3.md"]
)
def test_configurations_and_documentation_name_no_other_path(file):
    text = file.read_text(encoding="utf-8")
    named = re.findall(r"speechmoe_espnet(?:\.\w+)+", text.replace(" import ", "."))
    known = {".".join(path.split(".")[:n]) for path in PATHS for n in range(1, 5)}
    assert set(named) <= known
    if file.suffix == ".yaml":
        assert yaml.safe_load(text)


@pytest.mark.parametrize("name", ["__init__", "espnet3_task"])
def test_the_task_needs_neither_espnet3_nor_lightning(name):
    """A packed model is loaded where nothing is trained."""
    tree = ast.parse((ROOT / "speechmoe_espnet" / "task" / f"{name}.py").read_text())
    modules = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    roots = {module.split(".")[0] for module in modules}
    assert "speechmoe_espnet" in roots
    assert not roots & {"espnet3", "lightning", "hydra", "omegaconf"}
    ours = {module for module in modules if module.startswith("speechmoe_espnet.task")}
    assert ours <= {"speechmoe_espnet.task.espnet3_task"}


@pytest.mark.parametrize("name", ["training", "training_syllable"])
def test_the_recipe_trains_the_model_of_the_default_configuration(name):
    pytest.importorskip("lightning", reason="needs the packages of the extra espnet3")
    from espnet3.systems.base import training
    from espnet3.utils.config_utils import load_and_merge_config

    config = load_and_merge_config(
        RECIPE / "conf" / f"{name}.yaml", "training.yaml", "egs3.TEMPLATE.esp2_asr"
    )
    default = yaml.safe_load((ROOT / "conf" / "train_speechmoe.yaml").read_text())
    for key in ("encoder", "encoder_conf", "model_conf", "specaug", "specaug_conf"):
        assert config.model[key] == default[key], key
    assert config.optimizer.lr == default["optim_conf"]["lr"]
    assert config.scheduler.total_steps == default["scheduler_conf"]["max_steps"]
    assert config.scheduler.total_steps == (
        config.trainer.limit_train_batches * config.trainer.max_epochs
    )
    config.model.update(token_list=TOKENS, normalize=None, normalize_conf={})
    config.dataset = {"_target_": "espnet3.components.data.data_organizer.DataOrganizer"}
    model = training._instantiate_model(config)
    module = training.ESPnetLightningModule(model, config)
    groups = module.configure_optimizers()["optimizer"].param_groups
    assert [group["name"] for group in groups] == ["rest", "routers"]


def test_every_configuration_merges_with_espnet3s_defaults():
    pytest.importorskip("lightning", reason="needs the packages of the extra espnet3")
    from espnet3.utils.config_utils import load_and_merge_config

    for path in RECIPE.glob("conf/*.yaml"):
        role = path.stem.partition("_")[0]
        given = yaml.safe_load(path.read_text())
        package = "egs3.TEMPLATE.esp2_asr"
        merged = load_and_merge_config(path, f"{role}.yaml", package, resolve=False)
        assert set(given) - {"defaults"} <= set(merged), path
