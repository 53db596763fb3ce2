"""Stage 4 in parts: what comes out depends on the data, not on how many processes read it."""

import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from shell_process import ROOT, Shell

# Notes which utterances it was to read, and writes what ESPnet writes of them.
ASR_TRAIN = """#!{python}
import os, sys
from pathlib import Path

import numpy as np

words = sys.argv[1:]
if words[:2] != ["-m", "speechmoe_espnet.bin.asr_train"]:
    os.execv("{python}", ["{python}", *words])
out = Path(words[words.index("--output_dir") + 1])
(out / "config.yaml").parent.mkdir(parents=True)
(out / "config.yaml").write_text(str(out))
for mode in ("train", "valid"):
    keys = Path(words[words.index(f"--{{mode}}_shape_file") + 1]).read_text().split()[::2]
    with open("{calls}", "a") as file:
        file.write(f"{{mode}} {{' '.join(keys)}}\\n")
    (out / mode).mkdir()
    for name in ("speech", "text"):
        (out / mode / f"{{name}}_shape").write_text("".join(f"{{key}} 7\\n" for key in keys))
    values = np.array([float(key[1:]) for key in keys])
    np.savez(out / mode / "feats_stats.npz", count=len(keys), sum=values.sum())
    (out / mode / "batch_keys").write_text("speech\\ntext\\n")
    (out / mode / "stats_keys").write_text("feats\\n")
"""


class Stage:
    """The script on a number of utterances, 20 a part."""

    def __init__(self, sh: Shell, folder: Path) -> None:
        self.sh, self.folder, self.calls = sh, folder, folder / "calls"
        (folder / "bin").mkdir()
        python = folder / "bin/python"
        python.write_text(ASR_TRAIN.format(python=sys.executable, calls=self.calls))
        python.chmod(0o755)
        (folder / "tokens.txt").write_text("a\nb\nc\n")

    def __call__(self, num_train: int, num_dev: int, nj: int, status: int = 0) -> Path:
        self.calls.unlink(missing_ok=True)
        out = self.folder / f"out.{num_train}.{num_dev}.{nj}"
        out.mkdir()
        scps = []
        for name, count in (("train", num_train), ("dev", num_dev)):
            scps.append(self.folder / f"{name}.scp")
            scps[-1].write_text("".join(f"u{i:02d} feats.ark:{i}\n" for i in range(count)))
        done = self.sh(
            ROOT / "utils/collect_stats.sh",
            *[out, self.folder / "tokens.txt", *scps, "--nj", str(nj), "--", "--seed", "0"],
            PATH=f"{self.folder}/bin:/usr/bin:/bin",
            PYTHONPATH=str(ROOT),
            UTTERANCES_A_PART="20",
        )
        assert done.returncode == status, done.stdout + done.stderr
        self.stderr = done.stderr
        return out


@pytest.fixture
def stage(sh: Shell, tmp_path: Path) -> Stage:
    return Stage(sh, tmp_path)


def parts(stage: Stage, mode: str) -> list[list[str]]:
    lines = [line.split() for line in stage.calls.read_text().splitlines()]
    return sorted(keys for name, *keys in lines if name == mode)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_parts_are_read_once_each_and_give_the_same_for_any_number_of_processes(
    stage: Stage,
) -> None:
    one = stage(50, 7, nj=1)
    train, dev = parts(stage, "train"), parts(stage, "valid")
    assert len(train) == len(dev) == 3
    assert list(chain(*train)) == [f"u{i:02d}" for i in range(50)]
    assert list(chain(*dev)) == [f"u{i:02d}" for i in range(7)]
    assert max(map(len, train)) - min(map(len, train)) <= 1
    assert (one / "train/text_shape.units").read_text() == "".join(
        f"u{i:02d} 7,3\n" for i in range(50)
    )
    stats = np.load(one / "train/feats_stats.npz")
    assert stats["count"] == 50
    assert stats["sum"] == sum(range(50))
    assert contents(stage(50, 7, nj=2)) == contents(one)
    assert parts(stage, "train") == train
    # Neither parts nor what names the temporary directory is left.
    assert sorted(path.name for path in one.iterdir()) == ["train", "valid"]


def test_no_part_is_without_dev_utterances(stage: Stage) -> None:
    stage(50, 2, nj=4)
    assert [len(keys) for keys in parts(stage, "valid")] == [1, 1]
    assert [len(keys) for keys in parts(stage, "train")] == [25, 25]


@pytest.mark.parametrize(("num_train", "num_dev"), [(0, 3), (3, 0)])
def test_a_set_without_utterances_is_told(stage: Stage, num_train: int, num_dev: int) -> None:
    stage(num_train, num_dev, nj=1, status=1)
    assert "no utterances in" in stage.stderr
