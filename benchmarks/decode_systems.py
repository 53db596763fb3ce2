"""Recognisers from features in memory to text: ours and ESPnet's."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.decode.search.factory import Encoded, Search
from speechmoe_espnet.decode.unit_text import UnitText, join_words
from speechmoe_espnet.inference.utterances import Utterance

Texts = dict[str, str]


@dataclasses.dataclass(frozen=True)
class InMemory(Utterance):
    """An utterance that is loaded before the time is measured.

    Attributes:
        values: Features (frames, bins) or samples (num_samples,).
    """

    values: NDArray[np.float32] = dataclasses.field(
        default_factory=lambda: np.zeros(0, np.float32), compare=False, repr=False
    )

    @classmethod
    def read(cls, utterance: Utterance) -> "InMemory":
        """Read an utterance."""
        kept = {each.name: getattr(utterance, each.name) for each in dataclasses.fields(utterance)}
        return cls(**{**kept, "values": utterance.load()})

    def load(self) -> NDArray[np.float32]:
        """Return the loaded values."""
        # A copy, because ESPnet normalises features in place.
        return self.values.copy()


class Pipeline:
    """Our pipeline: encoder and CTC head in batches, then one of our searches.

    Args:
        model: An ESPnetASRModel in evaluation mode.
        text: Converts units to text.
    """

    def __init__(self, model: Any, text: UnitText) -> None:
        self.model = model
        self.text = text

    @torch.inference_mode()
    def recognize(
        self, batches: Sequence[Sequence[Utterance]], search: Search, *, in_units: bool = False
    ) -> Texts:
        """Recognise batches.

        Returns:
            Text by utterance id; with in_units the model's units, even for a search over words.

        Raises:
            ValueError: An utterance is too short for the model; the message names it.
        """
        texts = {}
        for batch in batches:
            speech, lengths = _padded(batch)
            found = search(_encode(self.model, speech, lengths, batch))
            for utterance, result in zip(batch, found, strict=True):
                hyps = result.hypotheses
                best = hyps[0] if hyps else Hypothesis((), 0.0)
                texts[utterance.name] = (
                    self.text(best.units) if in_units else _text(best, self.text)
                )
        return texts


class Espnet:
    """ESPnet's `Speech2Text` with the CTC prefix score; our rule converts units to text.

    Args:
        model_dir: Experiment directory.
        model_file: Name of a checkpoint in it.
        text: Converts units to text.
        beam_size: Hypotheses kept per step.
    """

    def __init__(self, model_dir: Path, model_file: str, text: UnitText, beam_size: int) -> None:
        from speechmoe_espnet.inference.speech2text import Speech2Text

        self.text = text
        self.speech2text = Speech2Text.from_experiment(
            model_dir, model_file, ctc_weight=1.0, beam_size=beam_size
        )

    def recognize(self, utterances: Sequence[Utterance], batch_size: int) -> Texts:
        """Recognise utterances in batches of similar length.

        Returns:
            Text by utterance id.
        """
        by_length = sorted(utterances, key=lambda utt: (-utt.num_frames, utt.name))
        texts = {}
        for start in range(0, len(by_length), batch_size):
            batch = by_length[start : start + batch_size]
            if batch_size == 1:
                found = [self.speech2text(torch.from_numpy(batch[0].load()))]
            else:
                found = self.speech2text.batch_decode(*_padded(batch))
            for utterance, hyps in zip(batch, found, strict=True):
                texts[utterance.name] = self.text(hyps[0][2]) if hyps else ""
        return texts


def _text(hyp: Hypothesis, text: UnitText) -> str:
    if hyp.words is not None:
        return join_words([word.text for word in hyp.words])
    return text(hyp.units)


def _padded(batch: Sequence[Utterance]) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = [torch.from_numpy(utterance.load()) for utterance in batch]
    return pad_sequence(inputs, batch_first=True), torch.tensor([len(x) for x in inputs])


def _encode(
    model: Any, speech: torch.Tensor, lengths: torch.Tensor, batch: Sequence[Utterance]
) -> Encoded:
    from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError

    try:
        encoder_out, out_lengths = model.encode(speech, lengths)
    except TooShortUttError as error:
        shortest = min(batch, key=lambda utterance: utterance.num_frames)
        raise ValueError(
            f"{shortest.source}: {shortest.name}: too short for the model ({error}); measure on "
            f"a data directory without such utterances"
        ) from None
    return Encoded.of(model, encoder_out, out_lengths)
