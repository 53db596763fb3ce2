"""Decoding of whole sets: utterances listed, recognised and written, with the real-time factor."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.decode.hypothesis_files import Weights, write_hypotheses, write_rtf
from speechmoe_espnet.decode.resources import Resources
from speechmoe_espnet.decode.routing_summary import RoutingTotals
from speechmoe_espnet.inference.parallel import Decoded
from speechmoe_espnet.inference.utterances import Utterance, make_batches
from speechmoe_espnet.system import cli

type Recognize = Callable[[Sequence[Sequence[Utterance]]], Iterable[Decoded]]
"""Function from batches to the results of each, such as `recognize_batches`."""


def list_sets(
    data_dirs: Sequence[Path],
    output_dir: Path,
    list_utterances: Callable[[Path], list[Utterance]],
) -> dict[str, list[Utterance]]:
    """List the utterances of data directories by set, which is the name of the directory.

    Args:
        data_dirs: Data directories, one per set.
        output_dir: Directory that will receive a subdirectory per set.
        list_utterances: Returns the utterances of a data directory.

    Raises:
        ValueError: Two directories have the same name, or a set has results already.
    """
    sets: dict[str, list[Utterance]] = {}
    for data_dir in data_dirs:
        name = os.path.basename(os.path.realpath(data_dir))
        if name in sets:
            raise ValueError(
                f"--data_dirs: two directories are named {name}; results are written by that "
                f"name, so decode them into different --output_dir"
            )
        if (output_dir / name).exists():
            raise ValueError(
                f"--output_dir: {output_dir / name} exists already; name another directory or "
                f"remove this one"
            )
        sets[name] = list_utterances(data_dir)
    return sets


def decode_set(
    recognize: Recognize,
    config: DecodeConfig,
    utterances: Sequence[Utterance],
    directory: Path,
    resources: Resources,
) -> RoutingTotals:
    """Decode a set; write its hypotheses and `rtf.json`.

    Progress, warnings and the real-time factor go to stderr.

    Args:
        recognize: Decodes batches, in order.
        config: Decode configuration, for the size of batches and the weights of scores.
        utterances: Utterances of the set.
        directory: Directory to write, which must not exist.
        resources: Processes and threads that decode, and their machine, for `rtf.json`.

    Returns:
        Routing totals of the set.

    Raises:
        ValueError: An utterance cannot be read or does not fit the model.
    """
    batches = make_batches(utterances, config.batch_frames)
    progress = cli.progress(
        recognize(batches),
        total=len(batches),
        desc=f"decoding {directory.name} (batches)",
    )
    start = time.perf_counter()
    results, totals = [], RoutingTotals()
    for recognized, counted in progress:
        results += recognized
        totals += counted
    seconds_decode = time.perf_counter() - start

    directory.mkdir(parents=True)
    write_hypotheses(directory, results, Weights.of(config))
    seconds_audio = sum(result.seconds for result in results)
    write_rtf(directory, seconds_audio, seconds_decode, len(utterances), resources)
    for result in results:
        if result.is_too_short:
            print(
                f"decode: warning: {directory.name}: {result.name}: too short for the model; "
                f"its hypothesis is empty",
                file=sys.stderr,
            )
    print(
        f"decoded {directory.name}: {len(results)} utterances, {seconds_audio:.1f} s of audio in "
        f"{seconds_decode:.1f} s, RTF {seconds_decode / seconds_audio:.5f} ({resources.words()})",
        file=sys.stderr,
        flush=True,
    )
    return totals
