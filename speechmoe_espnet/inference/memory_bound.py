"""Refusal of utterances whose recognition would take more memory than there is.

The encoders of this package take memory linear in the length. Attention of ESPnet's other encoders
holds all scores of frames by frames.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from speechmoe_espnet.inference.utterances import Utterance
from speechmoe_espnet.system.memory import available_bytes

BYTES_A_SCORE = 16
"""Scores, their positions' part, the softmax and its masked copy, in float32."""
LEAST_SUBSAMPLING = 4
"""Of the input layers that ESPnet's attention encoders are used with; others are shorter."""


def check_memory(model: Any, sets: Mapping[str, Sequence[Utterance]]) -> None:
    """Refuse sets with an utterance that is too long for the memory of this machine.

    Args:
        model: An ESPnet ASR model.
        sets: Utterances by set.

    Raises:
        ValueError: Naming the utterance, what it would take, and what there is.
    """
    heads = _heads(model.encoder)
    utterances = [utterance for found in sets.values() for utterance in found]
    if not heads or not utterances:
        return
    longest = max(utterances, key=lambda utterance: utterance.num_frames)
    frames = longest.num_frames // LEAST_SUBSAMPLING
    needed, there_is = BYTES_A_SCORE * heads * frames**2, available_bytes()
    if needed > there_is:
        raise ValueError(
            f"{longest.source}: {longest.name}: lasts {longest.seconds / 60:.1f} minutes; the "
            f"attention of {type(model.encoder).__name__} over it takes about "
            f"{needed / 2**30:.1f} GiB, and {there_is / 2**30:.1f} GiB are free; cut it into "
            f"segments (file `segments`), or use an encoder of this package"
        )


def _heads(encoder: Any) -> int:
    """The most heads of a layer that holds all scores; 0 without such a layer."""
    if hasattr(encoder, "forward_with_routing"):
        return 0
    return max(
        (
            module.h
            for module in encoder.modules()
            if hasattr(module, "forward_attention") and not getattr(module, "use_sdpa", False)
        ),
        default=0,
    )
