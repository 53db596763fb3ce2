"""Compact form of packed models, small enough to ship: int8 weights, and the sources of a graph.

A compact model is made whole when it is unpacked: its checkpoint is written in float32, and its
decoding graph is built. Nothing of it reaches who loads the whole model.

Weights of two dimensions or more become integers from -127 to 127 with one scale for each row, the
largest magnitude of the row by 127; the others stay. A weight changes by at most half of its scale.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speechmoe_espnet.data.array_file import read_arrays
from speechmoe_espnet.data.lexicon import Lexicon
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.decode.graph.build import build_graph
from speechmoe_espnet.decode.graph.directory import GRAMMAR, LEXICON, TOKENS, write_graph
from speechmoe_espnet.espnet.checkpoint_file import read_state
from speechmoe_espnet.lm.arpa import read_arpa, write_arpa
from speechmoe_espnet.zoo.packed_model import (
    CHECKPOINT_KEY,
    GRAPH,
    META,
    check_digests,
    inner_path,
)
from speechmoe_espnet.zoo.packing import digests_of, write_yaml

WEIGHTS = "weights.npz"
COMPACT_KEY = "compact"
_SCALE = " scale"
_LARGEST = 127
_FEW = 1024
_ARPA_DECIMALS = 4


def compact(folder: Path) -> None:
    """Turn a packed model into its compact form, in place.

    Args:
        folder: A packed model, which nobody else reads.

    Raises:
        ValueError: There is a graph without its n-gram.
    """
    grammar = folder / GRAPH / GRAMMAR if (folder / GRAPH).is_dir() else None
    if grammar is not None and not grammar.is_file():
        raise ValueError(f"--compact: the graph has no {GRAMMAR}; make it again (stage 7)")
    meta = read_mapping(folder / META)
    checkpoint = meta["files"][CHECKPOINT_KEY]
    weights = str(Path(checkpoint).with_name(WEIGHTS))
    # Kept as integers, of which the zip's compression takes more than of an archive's.
    arrays: dict[str, Any] = _pack(read_state(folder / checkpoint))
    np.savez(folder / weights, **arrays)
    (folder / checkpoint).unlink()
    plan: dict[str, Any] = {"weights": weights}
    if grammar is not None:
        plan["order"] = (model := read_arpa(grammar)).order
        for path in (folder / GRAPH).iterdir():
            if path.name not in (LEXICON, TOKENS) and not _is_setting(meta, path):
                path.unlink()
        write_arpa(grammar, model, decimals=_ARPA_DECIMALS)
    write_yaml(folder / META, {**meta, COMPACT_KEY: plan, "sha256": digests_of(folder)})


def is_compact(folder: Path) -> bool:
    """Whether an unpacked model is in its compact form."""
    return (folder / META).is_file() and COMPACT_KEY in read_mapping(folder / META)


def expand(folder: Path) -> None:
    """Make a compact model whole, in place.

    Args:
        folder: The unpacked model, which nobody else reads.

    Raises:
        ValueError: A file is missing, damaged or not what it should be.
    """
    meta = read_mapping(folder / META)
    plan = meta.pop(COMPACT_KEY)
    try:
        weights = folder / inner_path(plan["weights"])
        checkpoint = folder / inner_path(meta["files"][CHECKPOINT_KEY])
        order = None if plan.get("order") is None else int(plan["order"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError(f"{folder / META}: {COMPACT_KEY} is not what `pack` writes") from None
    check_digests(folder, meta)
    if not weights.is_file():
        raise ValueError(f"{folder}: lacks {plan['weights']}, which its {META} names")
    torch.save(_unpack(read_arrays(weights)), checkpoint)
    weights.unlink()
    if order is not None:
        _build(folder / GRAPH, order)
    write_yaml(folder / META, {**meta, "sha256": digests_of(folder)})


def _build(graph_dir: Path, order: int) -> None:
    lexicon = Lexicon.load(graph_dir / LEXICON)
    tokens = TokenList.load(graph_dir / TOKENS)
    grammar = graph_dir / GRAMMAR
    graph = build_graph(lexicon.entries, grammar, tokens.tokens, order=order)
    write_graph(graph_dir, graph, lexicon, tokens, grammar)


def _pack(state: Mapping[str, torch.Tensor]) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for name, tensor in state.items():
        values = tensor.numpy()
        if values.dtype.kind != "f" or values.ndim < 2 or values.size < _FEW:
            arrays[name] = values
            continue
        rows = values.reshape(-1, values.shape[-1])
        scales = np.maximum(np.abs(rows).max(axis=1), 1e-12).astype(np.float32) / _LARGEST
        whole = np.rint(rows / scales[:, None]).astype(np.int8)
        arrays[name], arrays[name + _SCALE] = whole.reshape(values.shape), scales
    return arrays


def _unpack(arrays: Mapping[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    state = {}
    for name, values in arrays.items():
        if name.endswith(_SCALE):
            continue
        if values.dtype == np.int8 and name + _SCALE in arrays:
            rows = values.reshape(-1, values.shape[-1]).astype(np.float32)
            values = (rows * arrays[name + _SCALE][:, None]).reshape(values.shape)
        state[name] = torch.from_numpy(np.array(values))
    return state


def _is_setting(meta: Mapping[str, Any], path: Path) -> bool:
    return f"{GRAPH}/{path.name}" in meta.get("search", {}).values()
