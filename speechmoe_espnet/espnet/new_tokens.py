"""New tokens of a trained model: its output layers grow by the units that it never had.

The parameters of the old tokens are kept to the bit, wherever they are in the new list. A new token
begins as the mean of the old ones that sound like it (`data.alike_units`), and in the bias of an
output `PENALTY` below: a new character is then a rarer homophone of those that the model knows, and
the best path of the model is still that of the old one, for the mean of some logits is never above
the greatest. Training does the rest.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from speechmoe_espnet.data.alike_units import AlikeUnits
from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.espnet.experiment_config import CONFIG_FILE

PENALTY = 1.0
"""What the logit of a new token lacks to the mean of those that sound alike, in nats."""
_NUM_FIRST, _NUM_LAST = 2, 1  # <blank> and <unk>; <sos/eos>


def with_new_tokens(
    state: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    old: Sequence[str],
    new: Sequence[str],
) -> dict[str, Tensor]:
    """Return the parameters of a model for a longer list of tokens.

    Every tensor counts that differs from the wanted one in one axis alone, which has as many rows
    as there are tokens: heads of CTC, of the embedding network too, and output and input layers of
    a decoder.

    Args:
        state: Parameters by name, of a model with the old tokens.
        wanted: Those of the model to fill, for their shapes.
        old: The old tokens in the order of their ids.
        new: The new model's tokens, all of the old ones among them.

    Raises:
        ValueError: An old token is not among the new ones.
    """
    place = {token: number for number, token in enumerate(new)}
    if missing := [token for token in old if token not in place]:
        raise ValueError(
            f"{len(missing)} tokens of the model are not in the new list, such as {missing[0]}"
        )
    units = old[_NUM_FIRST : len(old) - _NUM_LAST]
    alike = AlikeUnits(units)
    known = set(old)
    kept = torch.tensor([place[token] for token in old])
    begun = [
        (place[token], torch.tensor([_NUM_FIRST + number for number in alike.places(token)]))
        for token in new
        if token not in known
    ]
    return {
        key: _grown(value, wanted[key], axis, kept, begun)
        if (axis := _axis_of_tokens(value, wanted.get(key), len(old), len(new))) is not None
        else value
        for key, value in state.items()
    }


def tokens_beside(checkpoint: str | Path) -> list[str] | None:
    """Return the tokens of the experiment that a checkpoint lies in; None where none is told.

    Raises:
        ValueError: Its config.yaml cannot be read.
    """
    path = Path(checkpoint).parent / CONFIG_FILE
    if not path.is_file():
        return None
    tokens = read_mapping(path).get("token_list")
    return list(map(str, tokens)) if isinstance(tokens, list) else None


def _axis_of_tokens(value: Tensor, wanted: Tensor | None, num_old: int, num_new: int) -> int | None:
    if wanted is None or value.dim() != wanted.dim():
        return None
    axes = [axis for axis in range(value.dim()) if value.size(axis) != wanted.size(axis)]
    if len(axes) == 1 and (value.size(axes[0]), wanted.size(axes[0])) == (num_old, num_new):
        return axes[0]
    return None


def _grown(
    value: Tensor,
    wanted: Tensor,
    axis: int,
    kept: Tensor,
    begun: Sequence[tuple[int, Tensor]],
) -> Tensor:
    grown = torch.zeros(wanted.shape, dtype=value.dtype, device=value.device)
    grown.index_copy_(axis, kept.to(value.device), value)
    for number, rows in begun:
        mean = value.index_select(axis, rows.to(value.device)).double().mean(axis)
        if value.dim() == 1:
            mean = mean - PENALTY
        grown.select(axis, number).copy_(mean)
    return grown
