"""Print what the experts of a trained SpeechMoE model specialise in.

    cd egs/mix/asr1
    python ../../../examples/expert_usage.py exp/synthetic/speechmoe dump/synthetic/{read,chat,spon}

For each MoE layer: the entropy of its load in bits, and how many of these bits are known to one
who knows of a frame its set, its speaker, whether the model writes a character there, the syllable
of the nearest character, and that character itself. Experts for speakers or styles would show in
the first columns, experts for sounds in that of syllables, and what experts know of characters
beyond their sound is the difference of the last two. Bits that labels of no meaning would give, the
same ones shuffled, are taken off; characters are shuffled among those that sound the same.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speechmoe_espnet import Speech2Text
from speechmoe_espnet.data.segmentation import is_hanzi
from speechmoe_espnet.data.syllables import read_hanzi
from speechmoe_espnet.data.table import read_table
from speechmoe_espnet.espnet.experiment_config import DEFAULT_MODEL_FILE
from speechmoe_espnet.inference.utterances import Utterance
from speechmoe_espnet.system.cli import ArgumentParser, progress, run

type Labels = NDArray[np.int64]
LABELS = ("set", "speaker", "peak", "syllable", "character")


@dataclass(frozen=True)
class Frames:
    """Encoder frames of all utterances, one after the other.

    Attributes:
        experts: Chosen expert of each layer and frame, (layers, frames).
        labels: What is known of each frame, (frames,), by name.
    """

    experts: Labels
    labels: dict[str, Labels]


def get_parser() -> ArgumentParser:
    """Return the options."""
    parser = ArgumentParser(prog="expert_usage", description=__doc__.splitlines()[0])
    parser.add_argument("model_dir", type=Path, help="experiment of a model of characters")
    parser.add_argument("data_dir", type=Path, nargs="+", help="sets with feats.scp")
    parser.add_argument("--model_file", default=DEFAULT_MODEL_FILE, help="its parameters")
    parser.add_argument("--seed", type=int, default=0, help="seed of the shuffling")
    return parser


def tell(args: argparse.Namespace) -> None:
    """Run the model on the sets and print the table.

    Args:
        args: What the parser returned.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The model has no experts, or a set no features.
    """
    speech2text = Speech2Text.from_experiment(args.model_dir, args.model_file)
    frames = run_model(speech2text.asr_model, args.data_dir)
    rng = np.random.default_rng(args.seed)
    print("\t".join(["layer", "load", *LABELS]))
    for number, experts in enumerate(frames.experts, start=1):
        bits = [shared_bits(experts, frames.labels, name, rng) for name in LABELS]
        cells = [f"{value:.2f}" for value in (entropy(experts), *bits)]
        print("\t".join([str(number), *cells]))


@torch.inference_mode()
def run_model(model: Any, data_dirs: Sequence[Path]) -> Frames:
    """Note which expert each layer chose at each frame, and what is known of the frame."""
    experts: list[Labels] = []
    names: dict[str, list[Any]] = {name: [] for name in LABELS}
    for data_dir in data_dirs:
        speakers = read_table(data_dir / "utt2spk")
        table = read_table(data_dir / "feats.scp")
        for utterance, location in progress(table.items(), len(table), data_dir.name):
            feats = Utterance(utterance, data_dir / "feats.scp", location, 0.0).load()
            lengths = torch.tensor([len(feats)])
            output = model.encode_with_routing(torch.tensor(feats)[None], lengths)
            routed = [routing for routing in output.routing if routing.probs.size(2) > 1]
            if not routed:
                raise ValueError("the model has no experts: its layers are static")
            units = model.ctc.argmax(output.encoder_out)[0].numpy()
            peaks = np.flatnonzero(units != model.blank_id)
            if not len(peaks):
                continue
            nearest = units[peaks[np.abs(np.arange(len(units))[:, None] - peaks).argmin(1)]]
            characters = [model.token_list[unit] for unit in nearest]
            experts.append(torch.cat([routing.indices[:, :, 0] for routing in routed]).numpy())
            names["set"] += [data_dir.name] * len(units)
            names["speaker"] += [speakers[utterance]] * len(units)
            names["peak"] += (units != model.blank_id).tolist()
            names["syllable"] += map(syllable, characters)
            names["character"] += characters
    if not experts:
        raise ValueError("the model wrote nothing, so that no frame has a character")
    labels = {name: np.unique(found, return_inverse=True)[1] for name, found in names.items()}
    return Frames(np.concatenate(experts, axis=1), labels)


@cache
def syllable(character: str) -> str:
    """Read a character as it stands alone; what is no Hanzi stands for itself."""
    return " ".join(read_hanzi([character])[0]) if is_hanzi(character) else character


def shared_bits(
    experts: Labels, labels: dict[str, Labels], name: str, rng: np.random.Generator
) -> float:
    """Return the bits that a frame's label tells of its expert.

    Args:
        experts: Expert of each frame, (frames,).
        labels: All labels, (frames,) each.
        name: The label in question.
        rng: Shuffles labels, whose information by chance is taken off.
    """
    found = information(experts, labels[name])
    if name != "character":
        return found - information(experts, rng.permutation(labels[name]))
    homophones = shuffled_within(labels["character"], labels["syllable"], rng)
    beyond = found - information(experts, homophones)
    return shared_bits(experts, labels, "syllable", rng) + beyond


def shuffled_within(values: Labels, groups: Labels, rng: np.random.Generator) -> Labels:
    """Shuffle values among the frames of the same group."""
    order = np.argsort(groups, kind="stable")
    mixed = np.lexsort((rng.random(len(groups)), groups))
    shuffled = np.empty_like(values)
    shuffled[order] = values[mixed]
    return shuffled


def information(first: Labels, second: Labels) -> float:
    """Return the mutual information of two labelings of the same frames, in bits."""
    joint = first * (second.max() + 1) + second
    return entropy(first) + entropy(second) - entropy(joint)


def entropy(labels: Labels) -> float:
    """Return the entropy of labels, in bits."""
    counts = np.unique(labels, return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example; see `--help`."""
    return run(tell, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
