"""Recogniser: from utterances to hypotheses, with any ESPnet ASR model that has a CTC head.

It calls `encode` or `encode_with_routing`, and `ctc.log_softmax`; it does not import ESPnet.

Results do not depend on the number of processes. Batches of another shape may change the last bits
of a model's float32 output, which very rarely changes a hypothesis that is nearly tied.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from speechmoe_espnet.decode.config import ESPNET_JOINT, DecodeConfig
from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.decode.recognized import Recognized
from speechmoe_espnet.decode.routing_summary import Routing, RoutingTotals
from speechmoe_espnet.decode.search.factory import Encoded, Found, Search, make_search
from speechmoe_espnet.decode.unit_text import UnitText, join_words
from speechmoe_espnet.inference.utterances import FRAMES_PER_SECOND, Utterance

SHORTEST_SPEECH = 0.1
"""Seconds: no syllable is shorter. What a model writes for less is no text."""


@dataclass(frozen=True)
class _Batch:
    """Model outputs of a batch, with routing: one entry per layer."""

    encoded: Encoded
    routing: tuple[Routing, ...]


class Recognizer:
    """A model with a search.

    Args:
        model: The ASR model; it is switched to evaluation mode.
        search: Finds hypotheses in the model's outputs.
        text: Converts units to text.
        device: Device of the model.
        num_bins: Feature size of the model, None if it takes audio.
        too_short: Error that the encoder raises for too few frames.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        search: Search,
        text: UnitText,
        *,
        device: str = "cpu",
        num_bins: int | None = None,
        too_short: type[Exception],
    ) -> None:
        self.model: Any = model.eval()
        self.search = search
        self.text = text
        self.device = device
        self.num_bins = num_bins
        self.too_short = too_short

    @torch.inference_mode()
    def recognize(self, batch: Sequence[Utterance]) -> tuple[list[Recognized], RoutingTotals]:
        """Decode a batch.

        Args:
            batch: Utterances, at least one.

        Returns:
            Recognised utterances in the order of the batch, and routing totals.

        Raises:
            ValueError: An utterance cannot be read or does not fit the model; the message
                names it.
        """
        speech, lengths = self._load(batch)
        names = [
            (utterance.name, length / (utterance.sample_rate or FRAMES_PER_SECOND))
            for utterance, length in zip(batch, lengths.tolist(), strict=True)
        ]
        return self.recognize_inputs(names, speech, lengths)

    @torch.inference_mode()
    def recognize_inputs(
        self,
        utterances: Sequence[tuple[str, float]],
        speech: torch.Tensor,
        lengths: torch.Tensor,
    ) -> tuple[list[Recognized], RoutingTotals]:
        """Decode a batch of inputs in memory.

        Args:
            utterances: Id and duration in seconds of each utterance, at least one.
            speech: Padded features (B, T, F) or waveforms (B, T), on the model's device.
            lengths: Number of valid frames or samples of each utterance, (B,).

        Returns:
            Recognised utterances in the order of the batch, and routing totals. An utterance that
            is too short for speech or for the model has an empty text.
        """
        is_long = all(seconds >= SHORTEST_SPEECH for _, seconds in utterances)
        computed = self._encode(speech, lengths) if is_long else None
        if computed is None:
            return self._recognize_one_by_one(utterances, speech, lengths)
        out_lengths = computed.encoded.lengths
        results = [
            self._recognized(name, seconds, found, length)
            for (name, seconds), found, length in zip(
                utterances, self.search(computed.encoded), out_lengths.tolist(), strict=True
            )
        ]
        return results, RoutingTotals.count(computed.routing, out_lengths)

    def _recognized(self, name: str, seconds: float, found: Found, length: int) -> Recognized:
        hypotheses = tuple(found.hypotheses) or (Hypothesis((), 0.0),)
        return Recognized(
            name=name,
            texts=tuple(
                self.text(hyp.units)
                if hyp.words is None
                else join_words([word.text for word in hyp.words])
                for hyp in hypotheses
            ),
            unit_texts=tuple(" ".join(self.text.visible(hyp.units)) for hyp in hypotheses),
            hypotheses=hypotheses,
            frame_seconds=seconds / max(1, length),
            lattice=found.lattice,
            is_too_short=length == 0,
            seconds=seconds,
        )

    def _recognize_one_by_one(
        self,
        utterances: Sequence[tuple[str, float]],
        speech: torch.Tensor,
        lengths: torch.Tensor,
    ) -> tuple[list[Recognized], RoutingTotals]:
        """Decode utterances one by one, to find those that are too short for the model."""
        if len(utterances) == 1:
            name, seconds = utterances[0]
            return [
                Recognized(
                    name, ("",), ("",), (Hypothesis((), 0.0),), is_too_short=True, seconds=seconds
                )
            ], RoutingTotals()
        results, totals = [], RoutingTotals()
        for index, utterance in enumerate(utterances):
            own = lengths[index : index + 1]
            recognized, counted = self.recognize_inputs(
                [utterance], speech[index : index + 1, : int(own)], own
            )
            results += recognized
            totals += counted
        return results, totals

    def example(self, utterance: Utterance) -> dict[str, NDArray[Any]] | None:
        """Return the routing of one utterance, frame by frame.

        Args:
            utterance: Utterance to decode.

        Returns:
            As `example_of_input`.
        """
        speech, lengths = self._load([utterance])
        return self.example_of_input(utterance.name, speech, lengths)

    @torch.inference_mode()
    def example_of_input(
        self, name: str, speech: torch.Tensor, lengths: torch.Tensor
    ) -> dict[str, NDArray[Any]] | None:
        """Return the routing of one input in memory, frame by frame.

        Args:
            name: Its name.
            speech: Features (1, T, F) or a waveform (1, T), on the model's device.
            lengths: Number of frames or samples, (1,).

        Returns:
            Arrays by name: utt; feats (T, bins) float32; expert and prob (layers, T'), the
            first choice of each MoE layer and its probability; units (T'), the best unit of
            each frame, empty for blank; subsampling, input frames per output frame. None if
            the model has no MoE layer or the utterance is too short.
        """
        computed = self._encode(speech, lengths)
        if computed is None:
            return None
        encoded = computed.encoded
        length = int(encoded.lengths[0])
        layers = [routing for routing in computed.routing if routing.probs.size(2) > 1]
        if not layers or not length:
            return None
        expert = torch.stack([routing.indices[0, :length, 0] for routing in layers])
        probs = torch.stack([routing.probs[0, :length] for routing in layers])
        best = encoded.log_probs[0, :length].argmax(dim=1).tolist()
        feats, _ = self.model._extract_feats(speech, lengths)
        units = [self.text.units[unit] if unit != self._blank_id else "" for unit in best]
        return {
            "utt": np.array(name),
            "feats": feats[0].cpu().numpy().astype(np.float32),
            "expert": expert.cpu().numpy().astype(np.int64),
            "prob": probs.gather(2, expert[:, :, None])[:, :, 0].cpu().numpy().astype(np.float32),
            "units": np.array(units),
            "subsampling": np.array(self.model.encoder.subsampling),
        }

    @property
    def _blank_id(self) -> int:
        return int(self.model.blank_id)

    def _load(self, batch: Sequence[Utterance]) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = []
        for utterance in batch:
            values = utterance.load()
            if self.num_bins is not None and values.shape[1] != self.num_bins:
                raise ValueError(
                    f"{utterance.source}: {utterance.name}: features have {values.shape[1]} "
                    f"bins, the model was trained with {self.num_bins}; extract them with the "
                    f"configuration it was trained with"
                )
            inputs.append(torch.from_numpy(values.copy()))
        lengths = torch.tensor([len(values) for values in inputs])
        return pad_sequence(inputs, batch_first=True).to(self.device), lengths.to(self.device)

    def _encode(self, speech: torch.Tensor, lengths: torch.Tensor) -> _Batch | None:
        """Run the model; None if an utterance has too few frames for it."""
        routing: tuple[Routing, ...] = ()
        try:
            if hasattr(self.model.encoder, "forward_with_routing"):
                output = self.model.encode_with_routing(speech, lengths)
                encoder_out, out_lengths = output.encoder_out, output.encoder_out_lens
                routing = output.routing
            else:
                encoder_out, out_lengths = self.model.encode(speech, lengths)
                if isinstance(encoder_out, tuple):  # with the outputs of intermediate CTC
                    encoder_out = encoder_out[0]
        except self.too_short:
            return None
        return _Batch(Encoded.of(self.model, encoder_out, out_lengths.clamp(min=0)), routing)


def make_recognizer(
    model: Any,
    model_config: Mapping[str, Any],
    config: DecodeConfig,
    *,
    device: str,
    graph_dir: Path | None = None,
    ngram: Path | None = None,
) -> Recognizer:
    """Make the recogniser of a model and a decode configuration.

    Args:
        model: A model with a CTC head, from `load_model`.
        model_config: Its configuration.
        config: Decode configuration.
        device: Device of the model.
        graph_dir: Decoding graph, for method wfst.
        ngram: ARPA file over tokens, for ctc_prefix_beam with `use_ngram`.

    Raises:
        FileNotFoundError: A file of the search is missing.
        ValueError: The search does not fit the model, or an argument is not used by the search.
    """
    from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError

    joint_search = None
    if config.method == ESPNET_JOINT:
        from speechmoe_espnet.decode.search.joint import JointSearch

        joint_search = JointSearch(model, **config.options)
    bpemodel = model_config.get("bpemodel") if model_config["token_type"] == "bpe" else None
    return Recognizer(
        model,
        make_search(
            config,
            model.token_list,
            blank_id=model.blank_id,
            graph_dir=graph_dir,
            ngram=ngram,
            joint_search=joint_search,
        ),
        UnitText(model.token_list, model_config["token_type"], bpemodel),
        device=device,
        num_bins=model_config["input_size"],
        too_short=TooShortUttError,
    )
