"""utils/gpu.sh on a CPU: all that runs on a GPU is rehearsed, small."""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_all_checks_run_on_a_cpu(tmp_path: Path) -> None:
    command = [str(ROOT / "utils/gpu.sh"), "--device", "cpu", "--output-dir", str(tmp_path)]
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "summary.txt").read_text().splitlines()
    assert [line.rpartition(",")[0] for line in lines] == [
        "tests: skipped, there is no GPU",
        *(f"{name}: passed" for name in ("large_steps", "experts", "encoder")),
    ]
    for name in ("large_steps", "bench_experts", "bench_encoder"):
        assert json.loads((tmp_path / f"{name}.json").read_text())
