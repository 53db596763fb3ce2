"""A fake recipe: its first stages seem finished, and its commands only record their arguments.

Only the commands that decide what runs are real.
"""

import json
import shutil
import sys
from pathlib import Path

from shell_process import ROOT, Shell

# Commands that only write arguments and threads into the output directory; the others are real.
PYTHON = """#!{python}
import json, os, sys, time
from pathlib import Path

words = sys.argv[1:]
real = ("stage", "side_by_side", "watch_training", "plan")
name = words[1].rpartition(".")[2] if words[:1] == ["-m"] else "stage"
if name in real:
    os.execv("{python}", ["{python}", *words])
if Path("{hang}").exists():
    Path("{hang}.new").write_text(str(os.getpid()))
    os.rename("{hang}.new", "{hang}.pid")
    time.sleep(60)
if Path("{fail}").exists() and Path("{fail}").read_text() == name:
    sys.exit(3)
out = Path(words[words.index("--output_dir") + 1])
sets = ("train", "dev", "test", "read", "chat", "spon", "aishell2")
for file in (
    *("text", "utt2spk", "feats.scp", "lm_text", "tokens.txt", "config.yaml", "table.txt"),
    *("valid.loss.ave.pth", "vocab", "lm_pruned.arpa", "lexicon.txt", "tuning.json"),
    *("train/text_shape", "valid/text_shape"),
    *(f"{{set}}/{{file}}" for set in sets for file in ("text", "units")),
):
    (out / file).parent.mkdir(parents=True, exist_ok=True)
    (out / file).write_text(f"made by {{name}}\\n")
if name == "unpack":
    (out / "fbank.yaml").write_text("num_mel_bins: 40\\n")
# A stage's temporary directory has another name each time, and what it makes the same bytes.
told = [".tmp" if word == str(out) and ".tmp." in word else word for word in words[2:]]
(out / "words.json").write_text(json.dumps(told))
threads = {{key: os.environ.get(key) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}}
(out / "threads.json").write_text(json.dumps(threads))
"""


class Recipe:
    """A recipe whose first stages seem finished."""

    def __init__(self, sh: Shell, root: Path) -> None:
        self.sh = sh
        self.root = root
        self.dir = root / "egs/mix/asr1"
        shutil.copytree(ROOT / "utils", root / "utils")
        (root / "utils/setup.sh").write_text("#!/bin/sh\n")
        shutil.copy(ROOT / "run_all.sh", root)
        for name in ("conf", "speechmoe_espnet"):
            (root / name).symlink_to(ROOT / name)
        for name in ("train", "dev", "test", "read", "chat", "spon", "aishell2"):
            for corpus in ("synthetic", "kaldi"):
                (self.dir / "dump" / corpus / name).mkdir(parents=True)
                for file in ("text", "utt2spk", "feats.scp"):
                    (self.dir / "dump" / corpus / name / file).write_text("a 一\n")
                for units in ("char", "syllable_phone"):
                    folder = self.dir / "units" / corpus / units
                    (folder / name).mkdir(parents=True)
                    (folder / name / "text").write_text("a yi1\n")
                    (folder / "tokens.txt").write_text("一\n")
        for units in ("char", "syllable_phone"):
            (self.dir / "exp/synthetic" / f"stats_{units}").mkdir(parents=True)
        (self.dir / "data/synthetic").mkdir(parents=True)
        (self.dir / "data/synthetic/lm_text").write_text("一\n")
        (self.dir / "venv/bin").mkdir(parents=True)
        shutil.copy(ROOT / "egs/mix/asr1/run.sh", self.dir)
        self.hang, self.fail = root / "hang", root / "fail"
        python = self.dir / "venv/bin/python"
        python.write_text(PYTHON.format(python=sys.executable, hang=self.hang, fail=self.fail))
        python.chmod(0o755)
        self.env = {"SPEECHMOE_VENV": str(self.dir / "venv")}

    def run(self, *words: str, stage: int, last: int | None = None, status: int = 0) -> str:
        """Run the stages from `stage` to `last`; return the output."""
        done = self.sh(
            self.dir / "run.sh",
            *["--stage", str(stage), "--stop-stage", str(last or stage), *words],
            cwd=self.dir,
            **self.env,
        )
        assert (done.returncode == 0) == (status == 0), done.stdout + done.stderr
        return done.stdout + done.stderr

    def run_all(self, *words: str, status: int = 0) -> int:
        """Run the main job; return the seconds passed to its report."""
        done = self.sh(self.root / "run_all.sh", *words, **self.env)
        assert (done.returncode == 0) == (status == 0), done.stdout + done.stderr
        told = self.root / "exp/report/words.json"
        words_told = json.loads(told.read_text()) if told.exists() else ["seconds_total=-1"]
        return int(words_told[-1].removeprefix("seconds_total="))

    def words(self, target: str) -> list[str]:
        words: list[str] = json.loads((self.dir / target / "words.json").read_text())
        return words

    def threads(self, target: str) -> dict[str, str | None]:
        """Return the environment variables that set the number of threads of a command."""
        threads: dict[str, str | None]
        threads = json.loads((self.dir / target / "threads.json").read_text())
        return threads

    def value(self, target: str, option: str) -> str:
        return self.values(target, option)[0]

    def values(self, target: str, option: str) -> list[str]:
        """Return the words between an option and the next one."""
        words = self.words(target)
        after = words[words.index(option) + 1 :]
        ends = [number for number, word in enumerate(after) if word.startswith("--")]
        return after[: ends[0]] if ends else after

    def experiment(self, name: str = "mine") -> str:
        """Make a finished experiment; return its path in the recipe."""
        target = f"exp/synthetic/{name}"
        finished(self.dir / target)
        return target


def finished(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "config.yaml").write_text("a: 1\n")
    return directory
