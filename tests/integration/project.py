"""Recipes in a copy of the project, so that the user's own runs are not touched.

Importing ESPnet takes eight seconds per process, so most tests share one tiny run.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TINY = "tests/integration/conf/train_tiny.yaml"
# A search that is fast even for an untrained model.
NARROW = (
    *("--decode-config", "conf/decode_wfst_narrow.yaml"),
    *("--tune-config", "conf/decode_wfst_narrow_nbest.yaml"),
)
GREEDY = ("--decode-config", "conf/decode_ctc_greedy.yaml")
COMMON = ("--preset", "tiny", "--num-threads", "1")
WFST = ("--search", "wfst")
OPTIONS = (*COMMON, *WFST, "--asr-config", TINY, "--expname", "tiny")
CHAR = (*COMMON, "--eval-sets", "read", *GREEDY)
STAGES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12)
PAUSING = Path(__file__).parent / "pausing"
KILLING = Path(__file__).parent / "killing"
WATCHING = Path(__file__).parent / "watching"


class Project:
    """A copy of the project whose recipes write into their own directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("utils", "conf", "speechmoe_espnet", "tests", "setup.cfg", "constraints.txt"):
            (root / name).symlink_to(ROOT / name)
        for recipe in sorted((ROOT / "egs").glob("*/asr1/run.sh")):
            (root / recipe.relative_to(ROOT)).parent.mkdir(parents=True)
            shutil.copy(recipe, root / recipe.relative_to(ROOT))
        shutil.copy(ROOT / "run_all.sh", root)

    def recipe_dir(self, name: str = "mix") -> Path:
        return self.root / "egs" / name / "asr1"

    def start(
        self, *words: str | Path, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(word) for word in words],
            cwd=self.root,
            env=os.environ | {"SPEECHMOE_VENV": str(Path(sys.prefix))} | (env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str | Path, status: int = 0, env: Mapping[str, str] | None = None) -> str:
        """Run a command to its end, check its exit status and return its output."""
        process = self.start(*words, env=env)
        output, _ = process.communicate(timeout=600)
        assert (process.returncode == 0) == (status == 0), output
        return output

    def run_recipe(self, *options: str | Path, name: str = "mix", status: int = 0) -> str:
        return self.run(self.recipe_dir(name) / "run.sh", *options, status=status)

    def kill_recipe(
        self, stage: int, in_the_middle: Callable[[], bool], pause_at: str = ""
    ) -> None:
        """Start one stage and kill it with SIGKILL once a condition holds.

        Args:
            stage: The stage.
            in_the_middle: The condition.
            pause_at: Name of a file before which the command of the stage pauses, so that the
                file is certainly not written.
        """
        words = ("--stage", str(stage), "--stop-stage", str(stage))
        env = {"PYTHONPATH": str(PAUSING), "SPEECHMOE_TEST_PAUSE_AT": pause_at} if pause_at else {}
        process = self.start(self.recipe_dir() / "run.sh", *OPTIONS, *words, env=env)
        deadline = time.monotonic() + 120
        try:
            while not in_the_middle():
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < deadline, f"stage {stage} did not get to its middle"
                time.sleep(0.01)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def on_cluster(
    project: Project,
    folder: Path,
    num_workers: int,
    words: Sequence[str],
    kill: Sequence[str] = (),
    status: int = 0,
) -> tuple[str, list[str]]:
    """Run the recipe on a cluster of this machine.

    Args:
        project: The project.
        folder: Where to write the configuration of the cluster, and what killed workers.
        num_workers: Number of workers.
        words: Further options of the recipe.
        kill: Names of files, see `killing`.
        status: 0 where it should succeed.

    Returns:
        Output, and the notes of `killing`.
    """
    file, killed = folder / "cluster.yaml", folder / "killed"
    options = "{threads_per_worker: 1, dashboard_address: ':0'}"
    file.write_text(f"parallel: {{env: local, n_workers: {num_workers}, options: {options}}}\n")
    killed.mkdir()
    env = {"SPEECHMOE_TEST_KILL": " ".join(kill), "SPEECHMOE_TEST_KILLED": str(killed)}
    words = (*words, "--cluster", str(file))
    env["PYTHONPATH"] = str(KILLING)
    told = project.run(project.recipe_dir() / "run.sh", *words, status=status, env=env)
    return told, sorted(path.name for path in killed.iterdir())


def error_rate(references: Path, hypotheses: Path, *, separator: str | None = "") -> float:
    """Compute a pooled error rate in percent, independently of jiwer and of our code.

    Args:
        references: Kaldi text file.
        hypotheses: Kaldi text file of the same utterances.
        separator: "" compares characters, None words separated by white space.
    """
    refs, hyps = _units(references, separator), _units(hypotheses, separator)
    assert refs.keys() == hyps.keys()
    errors = sum(_distance(refs[utt], hyps[utt]) for utt in refs)
    return 100 * errors / sum(map(len, refs.values()))


def num_hypotheses(decoded: Path) -> int:
    """Count the utterances of a decoded set with a hypothesis that is not empty."""
    lines = (decoded / "text").read_text(encoding="utf-8").splitlines()
    return sum(len(line.split()) > 1 for line in lines)


def _units(path: Path, separator: str | None) -> dict[str, list[str]]:
    units = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        utt, *words = line.split()
        units[utt] = words if separator is None else list("".join(words))
    return units


def _distance(ref: list[str], hyp: list[str]) -> int:
    row = list(range(len(hyp) + 1))
    for i, expected in enumerate(ref, start=1):
        above, row = row, [i]
        for j, got in enumerate(hyp, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (expected != got)))
    return row[-1]


def valid_losses(experiment: Path) -> list[float]:
    """Return the validation loss of each epoch of a training."""
    lines = (experiment / "train_stats.jsonl").read_text().splitlines()
    return [json.loads(line)["valid"]["loss"] for line in lines]


def check_score(score_dir: Path, references: Path, hypotheses: Path) -> None:
    """Compare a score with an independent error rate; `score_ser` is in units."""
    metric, separator = ("ser", None) if score_dir.name == "score_ser" else ("cer", "")
    score = json.loads((score_dir / "cer.json").read_text())
    assert score["metric"] == metric
    assert score["num_utts"] == len(references.read_text().splitlines())
    rate = error_rate(references, hypotheses, separator=separator)
    assert abs(score["cer"] - rate) < 1e-6, f"{score_dir}: {score['cer']} is not {rate}"


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the inode and time of every file; they differ for a file written again."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file of a target, except its marks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".done.json", ".files.json")
    }
