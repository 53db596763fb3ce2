"""SIGKILL at random moments of a whole job, then the same command: are the results the same?

    python tests/endurance.py --seed 1 --kills 25
    python tests/endurance.py --seed 1 --kills 10 --job run_all

The job runs once undisturbed. Then it runs in a second copy of the project, where its processes are
killed: one of its process group, its children alone, or all of them. The moments are drawn from the
seed, spread over the stages, and each falls into a stage that is at work. After the last kill the
same command runs to its end. All files of both copies are compared byte by byte, but for times;
checkpoints by their tensors; error rates as they are. It takes as long as the job does about three
times. Exit status 1 and the names of the files where there is a difference.
"""

import argparse
import atexit
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "integration"))

from project import CHAR, OPTIONS, TINY, Project

JOBS: dict[str, tuple[str, ...]] = {
    "recipe": (
        *("egs/mix/asr1/run.sh", *OPTIONS, "--rescore"),
        *("--decode-config", "conf/decode_wfst_narrow_nbest.yaml"),
        *("--lm-config", "tests/integration/conf/train_lm_tiny.yaml"),
    ),
    "greedy": ("egs/mix/asr1/run.sh", *CHAR, "--asr-config", TINY, "--expname", "tiny"),
    "run_all": ("run_all.sh", "--preset", "tiny", "--search", "wfst"),
}
RESULTS = ("data", "dump", "units", "lang", "exp")
STAGE = re.compile(rb"stage (\d+): making (\S+)")
# Keys and files that hold times, memory, or what holds these.
TIMES = re.compile(
    r"second|time|rtf|memory|_mib|begun|start|finish|date|commit|throughput|total_count|waiting"
)
TIMED_FILES = re.compile(
    r"(train\.log|index\.html|table\.txt|.*\.svg|\.done\.json|\.files\.json|SHA256SUMS|rtf\.json|"
    r"checkpoint\.pth|.*\.log|results\.md|images/\w*time\.png)$"
)


@dataclass
class Watched:
    """A running job, whose stages are read from its output.

    Attributes:
        process: The job, the first of its process group.
        making: Stage that is at work, and since when.
        lines: Its last lines.
    """

    process: subprocess.Popen[bytes]
    making: tuple[int, float] = (0, 0.0)
    lines: list[bytes] = field(default_factory=list)

    def read(self) -> None:
        """Read the output to its end."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := STAGE.search(line):
                self.making = int(found[1]), time.monotonic()
            self.lines = [*self.lines[-40:], line]


def begin(project: Project, words: Sequence[str]) -> Watched:
    """Start the job."""
    process = subprocess.Popen(
        [str(project.root / words[0]), *words[1:]],
        cwd=project.root,
        env=os.environ | {"SPEECHMOE_VENV": sys.prefix},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    atexit.register(_kill_group, process)
    watched = Watched(process)
    threading.Thread(target=watched.read, daemon=True).start()
    return watched


def finish(watched: Watched) -> None:
    """Wait for the job's end.

    Raises:
        SystemExit: It failed.
    """
    if watched.process.wait():
        sys.exit(f"the job failed:\n{b''.join(watched.lines).decode(errors='replace')}")


def stage_durations(project: Project, words: Sequence[str]) -> dict[int, float]:
    """Run the job undisturbed; return the seconds of each stage."""
    watched = begin(project, words)
    seconds: dict[int, float] = {}
    stage, since = watched.making
    while watched.process.poll() is None:
        time.sleep(0.05)
        if watched.making != (stage, since):
            if stage:
                seconds[stage] = seconds.get(stage, 0.0) + watched.making[1] - since
            stage, since = watched.making
    finish(watched)
    seconds[stage] = seconds.get(stage, 0.0) + time.monotonic() - since
    return seconds


def kill(watched: Watched, how: str, rng: random.Random) -> None:
    """Kill processes of the job, and wait until nobody of its group is left to write."""
    group = watched.process.pid
    descendants = list(_descendants(group))
    if how == "one":
        os.kill(rng.choice([group, *descendants]), signal.SIGKILL)
    elif how == "children":
        for pid in descendants:
            _kill(pid)
    else:
        os.killpg(group, signal.SIGKILL)
    # Killing one may leave the others at work: the user's terminal ends them, then.
    time.sleep(0.2)
    for pid in [group, *_descendants(group)]:
        _kill(pid)
    watched.process.wait()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _descendants(pid: int) -> Iterator[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return
    for child in map(int, text.split()):
        yield child
        yield from _descendants(child)


def disturb(
    project: Project, words: Sequence[str], kills: int, seconds: dict[int, float], seed: int
) -> list[str]:
    """Kill the job at random moments, stage by stage, and run it to its end; say what was done."""
    rng = random.Random(seed)
    stages = sorted(seconds)
    # Every stage has its turn before one has a second; of these, in order, since stages are.
    turns = sorted(stages[number % len(stages)] for number in rng.sample(range(10**6), kills))
    if kills >= len(stages):
        turns = sorted([*stages, *rng.choices(stages, k=kills - len(stages))])
    done = []
    for stage in turns:
        moment = rng.random() * seconds[stage]
        how = rng.choice(["one", "children", "all"])
        watched = begin(project, words)
        while watched.process.poll() is None:
            making, since = watched.making
            if making > stage or (making == stage and time.monotonic() - since >= moment):
                break
            time.sleep(0.005)
        if watched.process.poll() is not None:
            finish(watched)
            done.append(f"stage {stage}: the job was done already")
            continue
        kill(watched, how, rng)
        done.append(f"stage {watched.making[0]}, after {moment:.2f} s, {how}")
        print(done[-1], flush=True)
    finish(begin(project, words))
    return done


def differences(one: Path, other: Path) -> tuple[int, list[str]]:
    """Compare the results of two copies; return the number of files, and those that differ."""
    listed = [
        {
            str(path.relative_to(root))
            for name in RESULTS
            for folder in (root / name, *root.glob(f"egs/*/asr1/{name}"))
            for path in folder.rglob("*")
            if path.is_file()
        }
        for root in (one, other)
    ]
    different = [f"{name}: in one of both alone" for name in sorted(listed[0] ^ listed[1])]
    for name in sorted(listed[0] & listed[1]):
        if not TIMED_FILES.search(name) and not _same(one / name, other / name, one, other):
            different.append(name)
    return len(listed[0] & listed[1]), different


def _same(one: Path, other: Path, root: Path, other_root: Path) -> bool:
    if one.read_bytes() == other.read_bytes():
        return True
    if one.suffix == ".pth":
        return _same_tensors(one, other)
    if one.suffix in (".json", ".jsonl"):
        texts = (
            path.read_text(encoding="utf-8").replace(str(top), "")
            for path, top in ((one, root), (other, other_root))
        )
        first, second = (
            [_without_times(json.loads(line)) for line in _documents(text, one.suffix)]
            for text in texts
        )
        return first == second
    # Paths of the two copies.
    return one.read_bytes().replace(bytes(root), b"") == other.read_bytes().replace(
        bytes(other_root), b""
    )


def _documents(text: str, suffix: str) -> list[str]:
    return [text] if suffix == ".json" else text.splitlines()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(v) for key, v in value.items() if not TIMES.search(key)}
    return [_without_times(item) for item in value] if isinstance(value, list) else value


def _same_tensors(one: Path, other: Path) -> bool:
    import torch

    first, second = (torch.load(path, weights_only=True) for path in (one, other))
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def error_rates(root: Path) -> dict[str, float]:
    """Return the error rates of all scores by file."""
    return {
        str(path.relative_to(root)): json.loads(path.read_text(encoding="utf-8"))["cer"]
        for path in sorted(root.glob("egs/*/asr1/exp/**/cer.json"))
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0 where all results are the same."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments (default: 0)")
    parser.add_argument("--kills", type=int, default=25, help="number of kills (default: 25)")
    parser.add_argument("--job", choices=JOBS, default="recipe", help="what runs (default: recipe)")
    args = parser.parse_args(argv)
    if args.kills < 1:
        parser.error(f"--kills {args.kills}: at least 1")
    words = JOBS[args.job]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with tempfile.TemporaryDirectory(prefix="endurance.") as folder:
        roots = [Path(folder, name) for name in ("undisturbed", "killed")]
        for root in roots:
            root.mkdir()
        projects = [Project(root) for root in roots]
        begun = time.monotonic()
        seconds = stage_durations(projects[0], words)
        told = ", ".join(f"{stage} {value:.0f} s" for stage, value in sorted(seconds.items()))
        print(f"undisturbed: {time.monotonic() - begun:.0f} s; stages {told}", flush=True)
        kills = disturb(projects[1], words, args.kills, seconds, args.seed)
        num_files, different = differences(*roots)
        rates, after = (error_rates(root) for root in roots)
    hit = sorted({line.split(",")[0] for line in kills if "after" in line})
    print(f"{sum('after' in line for line in kills)} kills in {', '.join(hit)}")
    print(f"{num_files} files compared, {len(different)} differ; {len(rates)} error rates")
    if rates != after or not rates:
        different.append("error rates")
    for name in different:
        print(f"  differs: {name}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
