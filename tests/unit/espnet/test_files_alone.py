"""ESPnet's loaders, as our commands use them, run nothing that they read."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from canaries import commands, contents
from espnet2.train.dataset import DATA_TYPES, ESPnetDataset
from espnet2.train.iterable_dataset import IterableESPnetDataset
from omniio.tools.kaldi import load_scp

from speechmoe_espnet.espnet.data_sources import TABLES_OF_FILES, check_sources
from speechmoe_espnet.espnet.patches import files_alone, training_patches
from speechmoe_espnet.espnet.upcycling import load_init_param

TYPES = ["rand_int_0_10" if "\\d" in name else name for name in DATA_TYPES]
KINDS = list(contents(Path("canary")))


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "a payload ran"


def read_all(path: Path, kind: str) -> None:
    """Read a table as a training and as a decoding does."""
    for dataset in (ESPnetDataset, IterableESPnetDataset):
        try:
            made = dataset([(str(path), "speech", kind)])
            for item in made if dataset is IterableESPnetDataset else ["utt"]:
                made[item] if dataset is ESPnetDataset else None
        except Exception:  # whatever a loader says of such a file
            pass


@pytest.mark.parametrize("loader", TYPES)
def test_no_loader_runs_contents_or_commands(canary, tmp_path, loader):
    with training_patches():
        for number, content in enumerate(contents(canary).values()):
            file = tmp_path / f"file{number}"
            file.write_bytes(content)
            read_all(file, loader)
            (tmp_path / "scp").write_text(f"utt {file}\n")
            read_all(tmp_path / "scp", loader)
        for command in commands(canary):
            (tmp_path / "scp").write_text(f"utt {command}\n")
            read_all(tmp_path / "scp", loader)
            read_all(Path(command), loader)


def test_without_the_patch_a_table_runs_a_command(tmp_path):
    """The test above shows something; where this fails, the patch can go."""
    canary = tmp_path / "alive"
    (tmp_path / "scp").write_text(f"utt {next(commands(canary))}\n")
    with pytest.raises(Exception):  # noqa: B017, PT011
        load_scp(str(tmp_path / "scp"))["utt"]
    assert canary.exists()
    canary.unlink()
    with files_alone(), pytest.raises(ValueError, match="pipes are not supported"):
        load_scp(str(tmp_path / "scp"))["utt"]
    assert not canary.exists()


@pytest.mark.parametrize("kind", sorted(TABLES_OF_FILES))
def test_a_training_refuses_commands_before_it_begins(canary, tmp_path, kind):
    good = tmp_path / "good"
    (tmp_path / "x.ark").write_bytes(b"feats")
    good.write_text(f"utt {tmp_path}/x.ark:4\n")
    for command in commands(canary):
        (tmp_path / "scp").write_text(f"utt {command}\n")
        for part, other in (("train", "valid"), ("valid", "train")):
            for path in (tmp_path / "scp", command):
                args = Namespace(
                    **{
                        f"{part}_data_path_and_name_and_type": [(str(path), "speech", kind)],
                        f"{other}_data_path_and_name_and_type": [(str(good), "speech", kind)],
                    }
                )
                with pytest.raises(ValueError, match="pipes are not supported"):
                    check_sources(args)
    check_sources(Namespace(train_data_path_and_name_and_type=[(str(good), "speech", kind)]))


def test_checkpoints_do_not_run(canary, tmp_path, monkeypatch):
    monkeypatch.delenv("ESPNET_ALLOW_UNSAFE_TORCH_LOAD", raising=False)
    model = torch.nn.Linear(1, 1)
    for number, content in enumerate(contents(canary).values()):
        path = tmp_path / f"model{number}.pth"
        path.write_bytes(content)
        with pytest.raises(Exception):  # noqa: B017, PT011
            load_init_param(str(path), model, False, "cpu")
        with pytest.raises(Exception):  # noqa: B017, PT011
            torch.load(path, weights_only=True)
    assert np.isfinite(model.weight.item())
