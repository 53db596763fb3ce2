"""Train the large preset for some hundred steps on random features: seconds a step, memory, loss.

Shows that conf/train_large_speechmoe.yaml trains on a device, and at which rate. The features are
random, so that no corpus is needed, and the loss says only that steps are made.
"""

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml

from benchmarks.device import Device
from speechmoe_espnet.espnet.task import SpeechMoEASRTask
from speechmoe_espnet.system import cli

CONF = Path(__file__).parents[1] / "conf/train_large_speechmoe.yaml"
BINS = 40
UNITS = 4000
FRAMES, QUICK_FRAMES = 1000, 160
WARM_UP = 5


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(prog="large_steps", description=__doc__)
    Device.add_arguments(parser)
    parser.add_argument("--steps", type=int, default=300, help="optimiser steps")
    parser.add_argument("--output_dir", type=Path, required=True, help="for large_steps.json")
    parser.add_argument("--quick", action="store_true", help="one short utterance a step")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Train, print one line and write large_steps.json."""
    args = get_parser().parse_args(argv)
    device = Device.from_args(args)
    conf = yaml.safe_load(CONF.read_text(encoding="utf-8"))
    utterances = 1 if args.quick else conf["batch_bins"] // (FRAMES * BINS)
    found = run(device, args.steps, utterances, QUICK_FRAMES if args.quick else FRAMES)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    (args.output_dir / "large_steps.json").write_text(json.dumps(found) + "\n", encoding="utf-8")
    print("large preset: " + ", ".join(f"{name} {value:.4g}" for name, value in found.items()))
    return 0


def run(device: Device, steps: int, utterances: int, frames: int) -> dict[str, float]:
    """Train on one batch of random features.

    Args:
        device: Device, and the number type of matrix products (autocast).
        steps: Optimiser steps.
        utterances: B.
        frames: Input frames of an utterance.

    Returns:
        Figures by name.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        task = ["--config", str(CONF), "--output_dir", "unused"]
        options = SpeechMoEASRTask.get_parser().parse_args(task)
        options.token_list = ["<blank>", "<unk>", *(f"u{n}" for n in range(UNITS)), "<sos/eos>"]
        options.input_size, options.normalize, options.use_tensorboard = BINS, None, False
        options.optim_conf["fused"] = device.is_cuda
        model = SpeechMoEASRTask.build_model(options).to(device.name).train()
        (optimizer,) = SpeechMoEASRTask.build_optimizers(options, model)
        labels = frames // 32
        batch = {
            "speech": torch.randn(utterances, frames, BINS),
            "speech_lengths": torch.full((utterances,), frames),
            "text": torch.randint(2, UNITS, (utterances, labels)),
            "text_lengths": torch.full((utterances,), labels),
        }
    batch = {name: value.to(device.name) for name, value in batch.items()}
    seconds, losses = [], []
    for _ in range(steps):
        begun = time.perf_counter()
        with device.autocast():
            loss = model(**batch)[0]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), options.grad_clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - begun)
    found = {
        "steps": steps,
        "frames_a_step": utterances * frames,
        "seconds_a_step": statistics.median(seconds[min(WARM_UP, steps - 1) :]),
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }
    if device.is_cuda:
        found["peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
    return found


if __name__ == "__main__":
    sys.exit(main())
