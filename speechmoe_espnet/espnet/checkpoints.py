"""Checkpoints repaired after a kill, and a readable record of training."""

import json
import math
import os
from pathlib import Path
from typing import Any

import torch
from espnet2.train.reporter import Reporter

from speechmoe_espnet.espnet.checkpoint_file import read_checkpoint
from speechmoe_espnet.espnet.patches import atomic_torch_save

STATS_FILE = "train_stats.jsonl"


def repair_after_kill(output_dir: Path) -> None:
    """Write the epoch file of the last checkpoint where a kill came between the two.

    ESPnet saves checkpoint.pth, then `<epoch>epoch.pth`, and resumes after that epoch; without
    the second file the average over the best epochs would lack it.

    Args:
        output_dir: The experiment; nothing is done where it holds no checkpoint.
    """
    checkpoint = output_dir / "checkpoint.pth"
    if not checkpoint.exists():
        return
    states = read_checkpoint(checkpoint)
    epoch_file = output_dir / f"{states['reporter']['epoch']}epoch.pth"
    if not epoch_file.exists():
        with atomic_torch_save():
            torch.save(states["model"], epoch_file)


def forget_averages(output_dir: Path) -> None:
    """Remove averages that a shorter training left; ESPnet makes them anew at its end.

    The average over one epoch is a link to that epoch's file, which a longer training may remove.

    Args:
        output_dir: The experiment; a training in it is about to begin or to go on.
    """
    for path in output_dir.glob("*.ave*.pth"):
        path.unlink()


def write_train_stats(output_dir: Path, accum_grad: int = 1) -> None:
    """Write one JSON line an epoch from the statistics in ESPnet's checkpoint.

    Each has `epoch`, `steps` (optimiser steps so far), `seconds` (of the epoch), `seconds_train`
    (of these, training), `seconds_waiting` (of these, waiting for the loader), `train` and
    `valid` (name to mean value over the epoch).

    Args:
        output_dir: The experiment; holds checkpoint.pth and receives train_stats.jsonl.
        accum_grad: Batches an optimiser step.
    """
    reporter = Reporter()
    reporter.load_state_dict(read_checkpoint(output_dir / "checkpoint.pth")["reporter"])
    lines = []
    steps = 0
    batches_before = 0
    for epoch, phases in sorted(reporter.stats.items()):
        # ESPnet steps after every accum_grad-th batch of an epoch, and counts batches.
        batches = phases["train"]["total_count"]
        train = _numbers(phases["train"])
        steps += (batches - batches_before) // accum_grad
        line = {
            "epoch": epoch,
            "steps": steps,
            "seconds": sum(phase["time"].total_seconds() for phase in phases.values()),
            "seconds_train": phases["train"]["time"].total_seconds(),
            "seconds_waiting": train["iter_time"] * (batches - batches_before),
            "train": train,
            "valid": _numbers(phases["valid"]),
        }
        batches_before = batches
        lines.append(json.dumps(line))
    partial = output_dir / f"{STATS_FILE}.tmp.{os.getpid()}"
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(output_dir / STATS_FILE)


def _numbers(phase: dict[str, Any]) -> dict[str, float]:
    """Means of an epoch; what is not finite is left out, for JSON has no such numbers."""
    found = {key: float(v) for key, v in phase.items() if key not in ("time", "total_count")}
    return {key: value for key, value in found.items() if math.isfinite(value)}
