"""Recognition with SpeechMoE against its dense baseline, and with our searches against ESPnet's.

With `--model_dir` and `--data_dir` a trained model is measured (see `decode_trained`). Otherwise
the models are those of the default job, with random weights. Searches alone get posteriors like
those of a trained model: a confident token every few frames, blank in between. ESPnet's search is
its beam search over the CTC prefix score, one utterance at a time, as in
`asr_inference --ctc_weight 1.0`. Seconds are those of a batch; "x real time" is seconds of audio
per second of computation.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import decode_trained
from benchmarks.result import Row, timed_rows
from benchmarks.timing import Spread, interleave
from speechmoe_espnet.decode.search.greedy import ctc_greedy_search
from speechmoe_espnet.decode.search.prefix_beam import ctc_prefix_beam_search

ROUNDS = 7
FRAMES_PER_SECOND = 100
NUM_BINS = 40
SUBSAMPLING = 6
FRAMES_PER_UNIT = 4
BEAM = 10
BASELINE, MOE = "dense baseline", "MoE-8e"
GREEDY, PREFIX_BEAM = "encoder + greedy", f"encoder + prefix beam {BEAM}"
SMALL_MEMORY = {"look_back": 5, "look_ahead": 5}


@dataclass(frozen=True)
class Case:
    """A batch to recognise.

    Attributes:
        utterances: Batch size.
        seconds: Duration of each utterance.
        units: V.
    """

    utterances: int = 8
    seconds: float = 4.0
    units: int = 3000

    def __str__(self) -> str:
        return f"{self.utterances} x {self.seconds:g} s, {self.units} units"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the comparison on a trained model; without them models are random."""
    decode_trained.add_arguments(parser)


def run(args: argparse.Namespace) -> list[Row]:
    """Measure.

    Args:
        args: rounds, quick and the options of `add_arguments`.

    Returns:
        Rows of encoder and search, of searches alone, and of speeds in x real time; with a
        trained model, the rows of `decode_trained.run`.
    """
    if args.model_dir is not None:
        return decode_trained.run(args)
    case = Case(2, 1.0, 20) if args.quick else Case()
    rounds = args.rounds or (2 if args.quick else ROUNDS)
    models = {BASELINE: _Model(case, 1), MOE: _Model(case, 8)}
    feats = torch.randn(case.utterances, round(case.seconds * FRAMES_PER_SECOND), NUM_BINS)
    lengths = torch.full((case.utterances,), feats.size(1))
    rows: list[Row] = []
    searches: dict[str, Callable[[Tensor, Tensor], Any]] = {
        GREEDY: ctc_greedy_search,
        PREFIX_BEAM: partial(ctc_prefix_beam_search, beam_size=BEAM),
    }
    for measure, search in searches.items():
        runs = {name: partial(_recognize, m, feats, lengths, search) for name, m in models.items()}
        seconds = interleave(runs, rounds, warmup=1)
        rows += timed_rows(str(case), measure, seconds, BASELINE)
        rows += _speeds(case, measure, seconds)
    log_probs = _posteriors(case)
    frames = torch.full((case.utterances,), log_probs.size(1))
    with torch.inference_mode():
        espnet = _espnet_search(case.units)

        def espnet_run() -> None:
            for utterance in log_probs:
                espnet(utterance)

        seconds = interleave(
            {
                "greedy": partial(ctc_greedy_search, log_probs, frames),
                f"prefix beam {BEAM}": partial(
                    ctc_prefix_beam_search, log_probs, frames, beam_size=BEAM
                ),
                f"ESPnet, beam {BEAM}": espnet_run,
            },
            max(1, rounds // 2),
            warmup=1,
        )
    rows += timed_rows(str(case), "search alone", seconds, f"ESPnet, beam {BEAM}")
    return rows + _speeds(case, "search alone", seconds)


class _Model(nn.Module):
    """Encoder and CTC head of the default job."""

    def __init__(self, case: Case, num_experts: int) -> None:
        from espnet2.asr.ctc import CTC

        from speechmoe_espnet.encoder.speechmoe_encoder import SpeechMoEEncoder

        super().__init__()
        torch.manual_seed(0)
        self.encoder = SpeechMoEEncoder(
            NUM_BINS,
            output_size=64,
            linear_units=256,
            num_blocks=4,
            attention_every=2,
            subsampling=SUBSAMPLING,
            moe_conf={"num_experts": num_experts, "router_scale": "straight_through"},
            memory_conf=SMALL_MEMORY,
            embedding_conf={
                "output_size": 32,
                "linear_units": 64,
                "num_blocks": 2,
                "memory_conf": SMALL_MEMORY,
            },
        )
        self.ctc = CTC(odim=case.units, encoder_output_size=64)
        self.eval()

    def encode(self, feats: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, 40), (B,) to (B, T', 64), (B,)."""
        out = self.encoder.forward_with_routing(feats, lengths)
        return out.encoder_out, out.encoder_out_lens


def _recognize(
    model: _Model, feats: Tensor, lengths: Tensor, search: Callable[[Tensor, Tensor], Any]
) -> None:
    with torch.inference_mode():
        encoded, frames = model.encode(feats, lengths)
        search(model.ctc.log_softmax(encoded), frames)


def _posteriors(case: Case) -> Tensor:
    """Log-probabilities (B, T', V): a unit with 0.9 every FRAMES_PER_UNIT frames, else blank."""
    generator = torch.Generator().manual_seed(0)
    num_frames = round(case.seconds * FRAMES_PER_SECOND / SUBSAMPLING)
    shape = (case.utterances, num_frames)
    units = torch.randint(1, case.units - 1, shape, generator=generator)
    units[:, torch.arange(num_frames) % FRAMES_PER_UNIT != 0] = 0
    logits = torch.randn(*shape, case.units, generator=generator)
    certain = torch.full_like(units, 0.9, dtype=torch.float32)
    rest = (1 - certain).log().unsqueeze(-1) + logits.log_softmax(dim=-1)
    return rest.scatter(-1, units.unsqueeze(-1), certain.log().unsqueeze(-1)).log_softmax(dim=-1)


class _PassThroughCtc:
    """CTC head that returns its input."""

    def log_softmax(self, log_probs: Tensor) -> Tensor:
        return log_probs


def _espnet_search(num_units: int) -> Callable[[Tensor], Any]:
    from espnet2.legacy.nets.batch_beam_search import BatchBeamSearch
    from espnet2.legacy.nets.scorers.ctc import CTCPrefixScorer

    search = BatchBeamSearch(
        beam_size=BEAM,
        weights={"ctc": 1.0},
        scorers={"ctc": CTCPrefixScorer(ctc=_PassThroughCtc(), eos=num_units - 1)},
        sos=num_units - 1,
        eos=num_units - 1,
        vocab_size=num_units,
        token_list=[str(unit) for unit in range(num_units)],
        pre_beam_score_key=None,
    )
    search.eval()
    return partial(search, maxlenratio=0.0, minlenratio=0.0)


def _speeds(case: Case, measure: str, seconds: dict[str, list[float]]) -> list[Row]:
    audio = case.utterances * case.seconds
    return [
        Row(
            str(case),
            f"{measure}, speed",
            name,
            "x real time",
            Spread.of([audio / s for s in all_]),
        )
        for name, all_ in seconds.items()
    ]
