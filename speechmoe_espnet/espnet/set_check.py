"""Comparison of the files of each set before a training.

ESPnet trains on the utterances that all files of a set name, without a word about the others: a
feats.scp that was cut in half halves the training.
"""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from speechmoe_espnet.data.text_file import read_lines
from speechmoe_espnet.espnet.data_files import NOT_BY_UTTERANCE, entries, utterances

SHOWN = 5


def check_sets(args: Namespace, *, with_shapes: bool = True, quiet: bool = False) -> None:
    """Refuse sets whose files name different utterances, and print how many there are.

    Args:
        args: ESPnet's arguments of a training.
        with_shapes: Whether shape files must fit, too. ESPnet's --collect_stats takes them as
            lists of the utterances of one of its jobs.
        quiet: Whether to print nothing.

    Raises:
        FileNotFoundError: A file does not exist.
        ValueError: Files differ: with the counts, examples, and the cure.
    """
    for part in ("train", "valid"):
        data = getattr(args, f"{part}_data_path_and_name_and_type")
        paths = [path for path, _, kind in data if kind not in NOT_BY_UTTERANCE]
        if with_shapes:
            shapes = getattr(args, f"{part}_shape_file")
            paths += shapes
            _check_units(args, dict(zip([name for _, name, _ in data], shapes, strict=False)))
        ids = {path: utterances(path) for path in paths}
        if not ids:
            continue
        counts = ", ".join(f"{path} {len(found)}" for path, found in ids.items())
        all_ids = set[str]().union(*ids.values())
        if any(len(found) < len(all_ids) for found in ids.values()):
            raise _mismatch(part, ids, counts, all_ids)
        if not quiet:
            print(f"{part}: {len(all_ids)} utterances ({counts})", flush=True)


def _mismatch(part: str, ids: Mapping[str, set[str]], counts: str, all_ids: set[str]) -> ValueError:
    partial = sorted(all_ids - all_ids.intersection(*ids.values()))
    shown = ", ".join(partial[:SHOWN])
    more = ", ..." if len(partial) > SHOWN else ""
    lacking = "; ".join(
        f"{path} lacks {len(all_ids - found)}" for path, found in ids.items() if all_ids - found
    )
    return ValueError(
        f"{part}: the files name different utterances ({counts}): {len(partial)} are not in all "
        f"of them, such as {shown}{more}; {lacking}. Complete these files (stages 2 to 4 of a "
        f"recipe make them), or remove the utterances from the others, too"
    )


def _check_units(args: Namespace, shapes: Mapping[str, str]) -> None:
    """Compare the number of units that shapes of text state with the token list."""
    token_list = getattr(args, "token_list", None)
    if token_list is None or "text" not in shapes:
        return
    if isinstance(token_list, str | Path):
        tokens = Path(token_list)
        num_tokens = len(read_lines(tokens)) if tokens.is_file() else 0
    else:
        num_tokens = len(token_list)
    for utterance, shape in entries(shapes["text"]).items():
        _, comma, stated = shape.partition(",")
        if comma and num_tokens and stated != str(num_tokens):
            raise ValueError(
                f"{shapes['text']}: {utterance}: made for {stated} units, but token_list has "
                f"{num_tokens}; make the statistics again (stage 4 of a recipe)"
            )
