"""Ready Kaldi data directories, taken over as the sets of a recipe."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from speechmoe_espnet.data.dir_check import check_dir
from speechmoe_espnet.data.faults import FaultsError, Harm
from speechmoe_espnet.data.kaldi_dir import DataDir
from speechmoe_espnet.data.segment_ends import with_ends


def read_kaldi_sets(
    place: Path, folders: Mapping[str, Path], *, skip_bad: bool
) -> tuple[dict[str, DataDir], dict[str, Mapping[str, str]]]:
    """Read data directories, with absolute paths and stated ends.

    Args:
        place: What messages call all of them.
        folders: A directory for each set.
        skip_bad: Whether to go on without utterances that have a fault.

    Returns:
        The sets, and why utterances were left out of each.

    Raises:
        FaultsError: Directories have faults, and `skip_bad` is not set, or nothing is left of one.
        FileNotFoundError: A directory does not exist.
    """
    checked = {name: check_dir(folder) for name, folder in folders.items()}
    faults = [
        fault
        for found in checked.values()
        for fault in found.faults
        if fault.harm is Harm.STOP and not (skip_bad and found.data is not None)
    ]
    sets = {}
    for name, found in checked.items():
        if faults or found.data is None:
            raise FaultsError(place if faults else folders[name], faults)
        data = found.data
        wav_scp = {recording: os.path.abspath(wav) for recording, wav in data.wav_scp.items()}
        sets[name] = with_ends(replace(data, wav_scp=wav_scp))
    return sets, {name: found.left_out for name, found in checked.items()}
