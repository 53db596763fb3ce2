"""Base class of the SpeechMoE encoders: the interface that models use."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from torch import Tensor, nn

from speechmoe_espnet.encoder.backbone import Backbone, Block, Taps
from speechmoe_espnet.encoder.output import SpeechMoEOutput, is_tracing
from speechmoe_espnet.encoder.stacking import StackedFeatures


class AbsSpeechMoEEncoder(AbsEncoder):
    """Encoder in which each frame uses a few of many experts.

    A shared embedding network (a small dense backbone on the same input) tells the routers what
    is being said. Its output is detached before the routers. Its CTC head belongs to the model,
    because encoders do not know the vocabulary. SpeechMoE (arXiv 2105.03036), section 3.

    Attributes:
        features: Stacked features, the input of both networks; None where they read fbank.
        embedding: The shared embedding network, or None.
        backbone: The blocks.
        interctc_layer_idx: Blocks of intermediate CTC, counted from 1.
        interctc_use_conditioning: Whether their posteriors are added to the next block's input.
        conditioning_layer: V to D, for conditioning; ESPnet's models, which know V, set it.
    """

    conditioning_layer: nn.Module | None

    def __init__(
        self,
        features: StackedFeatures | None,
        embedding: Backbone | None,
        backbone: Backbone,
        *,
        output_size: int,
        embedding_size: int,
        interctc_layer_idx: Sequence[int] = (),
        interctc_use_conditioning: bool = False,
    ) -> None:
        super().__init__()
        self.features = features
        self.embedding = embedding
        self.backbone = backbone
        self.embedding_size = embedding_size
        self._output_size = output_size
        self.interctc_layer_idx = list(interctc_layer_idx)
        self.interctc_use_conditioning = interctc_use_conditioning
        self.conditioning_layer = None
        self._recordings: list[list[SpeechMoEOutput]] = []

    def output_size(self) -> int:
        """D, the width of an output frame."""
        return self._output_size

    @property
    def subsampling(self) -> int:
        """Input frames per output frame."""
        stacked = self.features.subsampling if self.features is not None else 1
        return stacked * self.backbone.subsampling

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Output frames of utterances with `lengths` input frames (B,)."""
        if self.features is not None:
            lengths = self.features.output_lengths(lengths)
        return self.backbone.output_lengths(lengths)

    @property
    def has_losses(self) -> bool:
        """Whether training needs losses beside the model's own: of routers or the embedding."""
        return self.embedding is not None or any(
            cast(Block, block).feed_forward.router is not None for block in self.backbone.blocks
        )

    def forward(
        self,
        xs_pad: Tensor,
        ilens: Tensor,
        prev_states: Any = None,
        masks: Tensor | None = None,
        ctc: Any = None,
        max_layer: int | None = None,
        return_all_hs: bool = False,
    ) -> tuple[Tensor | tuple[Tensor, list[Any]], Tensor, None]:
        """Encode as ESPnet's encoders do, which have no place for the losses of SpeechMoE.

        Args:
            xs_pad: Features (B, T, F); with input_layer embed discrete units (B, T).
            ilens: Valid frames (B,).
            prev_states: Not used; part of ESPnet's signature.
            masks: Padding (B, T), True = padding, at the end of each utterance; in place of ilens.
            ctc: The model's CTC head, for conditioning.
            max_layer: Blocks of the backbone that run; None for all.
            return_all_hs: Whether the output of every block is returned.

        Returns:
            Encoder output (B, T', D), its lengths (B,), and None. With intermediate CTC the first
            is a pair: the output, and a list of (block, normalised output); with return_all_hs,
            the output, and a list of the outputs of all blocks.

        Raises:
            ValueError: Where a model without the losses trains the encoder, torch.jit.trace runs
                it, conditioning lacks `ctc`, or max_layer is negative.
        """
        if not self._recordings:
            self._refuse_training()
        if masks is not None:
            ilens = (~masks).sum(dim=1)
        out = self.forward_with_routing(
            xs_pad, ilens, ctc=ctc, max_layer=max_layer, return_all_hs=return_all_hs
        )
        for recording in self._recordings:
            recording.append(out)
        if not out.intermediate_outs:
            return out.encoder_out, out.encoder_out_lens, None
        taps: list[Any] = list(out.intermediate_outs)
        if return_all_hs:
            taps = [hidden for _, hidden in taps]
        return (out.encoder_out, taps), out.encoder_out_lens, None

    def forward_with_routing(
        self,
        xs_pad: Tensor,
        ilens: Tensor,
        *,
        ctc: Any = None,
        max_layer: int | None = None,
        return_all_hs: bool = False,
    ) -> SpeechMoEOutput:
        """Encode, and return all that the losses need: for a model that adds them.

        Args:
            xs_pad: Features (B, T, F); with input_layer embed discrete units (B, T).
            ilens: Valid frames (B,).
            ctc: The model's CTC head, for conditioning.
            max_layer: Blocks of the backbone that run; None for all.
            return_all_hs: Whether the output of every block is returned.

        Returns:
            The output; its routing is empty for a dense encoder.

        Raises:
            ValueError: Where torch.jit.trace runs it, conditioning lacks `ctc`, or max_layer is
                negative.
        """
        if is_tracing():
            raise ValueError(
                "torch.jit.trace would keep the example's choice of experts for every input; "
                "export to ONNX with `python -m speechmoe_espnet export`, or use torch.compile"
            )
        taps = self._taps(ctc, max_layer, return_all_hs)
        ilens = torch.as_tensor(ilens, device=xs_pad.device)
        if self.features is not None:
            xs_pad, ilens = self.features(xs_pad, ilens)
        embedding_out, detached = None, None
        if self.embedding is not None:
            embedding_out = self.embedding(xs_pad, ilens, None).out
            detached = embedding_out.detach()
        out, lengths, routing, hidden = self.backbone(xs_pad, ilens, detached, taps)
        intermediate = tuple(zip(taps.numbers, hidden, strict=False))
        return SpeechMoEOutput(out, lengths, embedding_out, tuple(routing), intermediate)

    @contextmanager
    def recording(self) -> Iterator[list[SpeechMoEOutput]]:
        """Collect the outputs of all calls in a context, for a model that adds the losses.

        For models of ESPnet that call the encoder themselves and drop what it returns beside its
        output. Training is allowed in the context.

        Yields:
            The outputs, in the order of the calls.
        """
        outputs: list[SpeechMoEOutput] = []
        self._recordings.append(outputs)
        try:
            yield outputs
        finally:
            self._recordings.pop()

    def _taps(self, ctc: Any, max_layer: int | None, return_all_hs: bool) -> Taps:
        if max_layer is not None and max_layer < 0:
            raise ValueError(f"max_layer: {max_layer} is less than 0")
        numbers: Sequence[int] = self.interctc_layer_idx
        condition = None
        if self.interctc_use_conditioning:
            layer = self.conditioning_layer
            if ctc is None or layer is None:
                raise ValueError(
                    "interctc_use_conditioning: true needs the model's CTC head: call the encoder "
                    "with ctc=, and set its conditioning_layer; model: speechmoe does both"
                )

            def condition(normalized: Tensor) -> Tensor:
                added: Tensor = layer(ctc.softmax(normalized))
                return added

        if return_all_hs:
            every = range(1, len(self.backbone.blocks) + 1)
            return Taps(every, False, condition, numbers, max_layer)
        return Taps(numbers, True, condition, numbers, max_layer)

    def _refuse_training(self) -> None:
        """Raise ValueError where gradients would come from a loss without this encoder's losses."""
        if not (self.training and torch.is_grad_enabled() and self.has_losses):
            return
        if any(parameter.requires_grad for parameter in self.parameters()):
            raise ValueError(
                f"{type(self).__name__} is trained without its losses: whoever called it does not "
                "train routers and embedding network. Use model: speechmoe in the commands of "
                "speechmoe_espnet, or ESPnet's commands by `python -m speechmoe_espnet.run -m "
                "espnet2.bin.asr_train`; in code of your own, call forward_with_routing and add "
                "the losses. Without training, use eval() or torch.no_grad()"
            )
