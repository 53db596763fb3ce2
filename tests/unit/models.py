"""Small models and batches that several tests share."""

import argparse
from typing import Any

import torch

from speechmoe_espnet.espnet.task import SpeechMoEASRTask

TOKENS = ["<blank>", "<unk>", *"一二三四五六七八九十", "<sos/eos>"]
ENCODER = {
    "speechmoe": {
        "output_size": 32,
        "linear_units": 48,
        "num_blocks": 2,
        "attention_every": 2,
        "attention_heads": 2,
        "embedding_conf": {"num_blocks": 1},
    },
    "speechmoe_conformer": {
        "output_size": 32,
        "linear_units": 48,
        "num_blocks": 2,
        "attention_heads": 2,
        "embedding_conf": {"num_blocks": 1},
    },
    "conformer": {
        "output_size": 32,
        "linear_units": 48,
        "num_blocks": 1,
        "attention_heads": 2,
        "rel_pos_type": "latest",
    },
    "e_branchformer": {
        "output_size": 32,
        "linear_units": 48,
        "cgmlp_linear_units": 64,
        "num_blocks": 1,
        "attention_heads": 2,
        "rel_pos_type": "latest",
    },
}
DECODER = {"attention_heads": 2, "linear_units": 32, "num_blocks": 1}


def training_args(encoder: str = "speechmoe", **overrides: Any) -> argparse.Namespace:
    """ESPnet's arguments for a tiny model on 40-dim features; CTC only."""
    args = SpeechMoEASRTask.get_parser().parse_args(["--output_dir", "unused"])
    args.token_list = TOKENS
    args.input_size = 40
    args.normalize = None
    args.encoder = encoder
    args.encoder_conf = dict(ENCODER[encoder])
    args.model_conf = {"ctc_weight": 1.0}
    for name, value in overrides.items():
        if not hasattr(args, name):
            raise AttributeError(name)
        value = {**getattr(args, name), **value} if name.endswith("_conf") else value
        setattr(args, name, value)
    return args


def hybrid(**overrides: Any) -> dict[str, Any]:
    """Overrides that make the model a CTC/attention hybrid."""
    conf = {"ctc_weight": 0.3, **overrides.pop("model_conf", {})}
    return {"decoder": "transformer", "decoder_conf": DECODER, "model_conf": conf, **overrides}


def build(encoder: str = "speechmoe", **overrides: Any) -> torch.nn.Module:
    """A tiny model with weights from a fixed seed."""
    torch.manual_seed(0)
    return SpeechMoEASRTask.build_model(training_args(encoder, **overrides))


def batch(lengths: tuple[int, ...] = (70, 52, 31)) -> dict[str, torch.Tensor]:
    """Random features and labels."""
    generator = torch.Generator().manual_seed(7)
    text_lengths = torch.tensor([max(1, length // 16) for length in lengths])
    text = torch.randint(2, 12, (len(lengths), int(text_lengths.max())), generator=generator)
    text[torch.arange(text.size(1)) >= text_lengths.unsqueeze(1)] = -1
    return {
        "speech": torch.randn(len(lengths), max(lengths), 40, generator=generator),
        "speech_lengths": torch.tensor(lengths),
        "text": text,
        "text_lengths": text_lengths,
    }


def of_kind(name: str) -> str:
    """Return the kind of a parameter of a model with routers, by its name."""
    if "router" in name:
        return "routers"
    return "experts" if "backbone" in name and ".experts." in name else "rest"
