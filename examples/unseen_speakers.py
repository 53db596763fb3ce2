"""Measure what unseen speakers cost, and how much of it is due to routing.

    cd egs/mix/asr1
    python ../../../examples/unseen_speakers.py exp/synthetic/speechmoe dump/synthetic/{read,chat}

Features are warped along frequency, as if the same speaker had a shorter or longer vocal tract.
So each frame exists twice, plain and warped. A row is one warp, with formants at so many times
the frequency:

    warped             error rate, percent
    warped_as_plain    the same features, each frame routed as without the warp
    plain_as_warped    features without the warp, each frame routed as with it
    same_expert        frames that go to the same expert in both, percent, mean over layers

If routing failed, the second would be near the rate at 1.00, and the third near the first. A dense
model has the first alone.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speechmoe_espnet import Speech2Text
from speechmoe_espnet.augment.mel_axis import MelAxis, warp_frequency
from speechmoe_espnet.augment.variation_options import VariationOptions
from speechmoe_espnet.data.table import read_table
from speechmoe_espnet.decode.search.greedy import ctc_greedy_search
from speechmoe_espnet.decode.unit_text import UnitText
from speechmoe_espnet.espnet.experiment_config import DEFAULT_MODEL_FILE
from speechmoe_espnet.inference.utterances import Utterance
from speechmoe_espnet.moe.layer import MoEFeedForward
from speechmoe_espnet.moe.router import Router, Routing
from speechmoe_espnet.scoring.cer import pool, score_texts
from speechmoe_espnet.system.cli import ArgumentParser, progress, run

COLUMNS = ("warped", "warped_as_plain", "plain_as_warped")


def get_parser() -> ArgumentParser:
    """Return the options."""
    parser = ArgumentParser(prog="unseen_speakers", description=__doc__.splitlines()[0])
    parser.add_argument("model_dir", type=Path, help="experiment of a model of characters")
    parser.add_argument("data_dir", type=Path, nargs="+", help="sets with feats.scp and text")
    parser.add_argument(
        "--formants",
        type=float,
        nargs="+",
        default=[0.7, 0.8, 0.9, 1.1, 1.25, 1.4],
        help="where the warp puts formants, as a factor",
    )
    parser.add_argument("--model_file", default=DEFAULT_MODEL_FILE, help="its parameters")
    return parser


class Listener:
    """Recognises utterances, routed by the model's routers or as the caller decides.

    Args:
        model: A model whose encoder is SpeechMoE, in evaluation mode.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._text = UnitText(model.token_list, "char")
        self._told: Iterator[Routing] | None = None
        for layer in model.encoder.modules():
            if isinstance(layer, MoEFeedForward) and layer.router is not None:
                layer.experts.backend = "grouped_mm"  # the fused layer has its router within
                layer.router.register_forward_hook(self._decide)

    @torch.inference_mode()
    def __call__(
        self, feats: Tensor, routing: Sequence[Routing] | None = None
    ) -> tuple[str, list[Routing]]:
        """Recognise one utterance by greedy search.

        Args:
            feats: Features (1, T, F).
            routing: What the routers are to decide, layer by layer; None leaves it to them.

        Returns:
            The text, and what the routers decided.
        """
        self._told = None if routing is None else iter(routing)
        output = self.model.encode_with_routing(feats, torch.tensor([feats.size(1)]))
        log_probs = self.model.ctc.log_softmax(output.encoder_out)
        (best,) = ctc_greedy_search(log_probs, output.encoder_out_lens, self.model.blank_id)
        return self._text(best.units), [r for r in output.routing if r.probs.size(2) > 1]

    def _decide(self, router: Router, arguments: Any, decided: Routing) -> Routing:
        return decided if self._told is None else next(self._told)


def tell(args: argparse.Namespace) -> None:
    """Run the model on the sets with all warps and print the table.

    Args:
        args: What the parser returned.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A factor is not positive, or a set has no features.
    """
    if min(args.formants) <= 0:
        raise ValueError(f"--formants: {min(args.formants)} is not positive")
    listener = Listener(Speech2Text.from_experiment(args.model_dir, args.model_file).asr_model)
    warps = [1.0, *args.formants]
    refs: dict[str, str] = {}
    hyps: list[dict[str, dict[str, str]]] = [{name: {} for name in COLUMNS} for _ in warps]
    same, num_choices = [0] * len(warps), 0
    for data_dir in args.data_dir:
        refs |= read_table(data_dir / "text")
        table = read_table(data_dir / "feats.scp")
        for utterance, location in progress(table.items(), len(table), data_dir.name):
            loaded = Utterance(utterance, data_dir / "feats.scp", location, 0.0).load()
            feats = torch.tensor(loaded)[None]
            _, plain = listener(feats)
            num_choices += sum(routing.indices.numel() for routing in plain)
            for index, formants in enumerate(warps):
                warped = warp(feats, formants)
                texts = hyps[index]
                texts["warped"][utterance], routed = listener(warped)
                if not plain:
                    continue
                texts["warped_as_plain"][utterance], _ = listener(warped, plain)
                texts["plain_as_warped"][utterance], _ = listener(feats, routed)
                same[index] += agreements(plain, routed)
    print("\t".join(["formants", *COLUMNS, "same_expert"]))
    for formants, texts, agreed in zip(warps, hyps, same, strict=True):
        cells = [f"{error_rate(refs, texts[name]):.2f}" if texts[name] else "-" for name in COLUMNS]
        cells.append(f"{100 * agreed / num_choices:.1f}" if num_choices else "-")
        print("\t".join([f"{formants:.2f}", *cells]))


def warp(feats: Tensor, formants: float) -> Tensor:
    """Move what is at frequency f to `formants` times f; features are (1, T, F)."""
    return warp_frequency(feats, warped_positions(feats.size(2), formants))


@cache
def warped_positions(num_bins: int, formants: float) -> Tensor:
    """Return where each mel bin of a warped utterance is read, (1, F)."""
    options = VariationOptions(num_mel_bins=num_bins)
    axis = MelAxis(options.num_mel_bins, options.low_freq, options.high_freq)
    return axis.warped_positions(torch.tensor([1 / formants]))


def agreements(first: Sequence[Routing], second: Sequence[Routing]) -> int:
    """Count the choices of all layers and frames that are the same in both."""
    pairs = zip(first, second, strict=True)
    return sum(int((one.indices == other.indices).sum()) for one, other in pairs)


def error_rate(refs: dict[str, str], hyps: dict[str, str]) -> float:
    """Return the CER in percent."""
    return pool(score_texts(refs, hyps, dict.fromkeys(refs, "all"))).cer


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example; see `--help`."""
    return run(tell, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
