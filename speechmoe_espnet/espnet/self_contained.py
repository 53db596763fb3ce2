"""Experiments that hold all that their model needs."""

import argparse
import os
import shutil
from pathlib import Path

from speechmoe_espnet.espnet.experiment_config import file_entries


def take_files_in(args: argparse.Namespace, output_dir: Path) -> None:
    """Copy the files that a model's configuration names into its experiment.

    Every process of a training may call it at once: a copy is moved into place whole.

    Args:
        args: ESPnet's training arguments; their paths become those of the copies.
        output_dir: The experiment.

    Raises:
        ValueError: There is no such file.
    """
    for section, key in file_entries(vars(args)):
        source = Path(section[key])
        target = output_dir / source.name
        if not source.is_file():
            raise ValueError(f"{key}: there is no file {source}; name the one that the data need")
        if not target.exists() or not target.samefile(source):
            output_dir.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f"{target.name}.tmp.{os.getpid()}")
            try:
                shutil.copyfile(source, partial)
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
        section[key] = str(target)
