"""Check of the tables that a training reads, before it begins.

ESPnet opens the files of a table one by one, hours into a training and in processes of its own. A
table with a command in it, which would run somebody else's code, is refused here in one line.
"""

import os
from argparse import Namespace

from speechmoe_espnet.data.matrix_file import split_location
from speechmoe_espnet.data.placeholder import refuse_placeholder_file
from speechmoe_espnet.data.table import check_location, read_scp

TABLES_OF_FILES = frozenset(
    ("kaldi_ark", "sound", "multi_columns_sound", "variable_columns_sound", "npy")
)


def check_sources(args: Namespace) -> None:
    """Refuse training and validation data that name a command instead of a file.

    Args:
        args: ESPnet's training arguments.

    Raises:
        FileNotFoundError, ValueError: As `check_files_of`, or a table is a command.
    """
    for part in ("train", "valid"):
        option = f"{part}_data_path_and_name_and_type"
        for path, _, kind in getattr(args, option, None) or ():
            try:
                check_location(path)
            except ValueError as error:
                raise ValueError(f"--{option} {path}: {error}") from None
            if kind in TABLES_OF_FILES:
                check_files_of(path)


def check_files_of(path: str) -> None:
    """Look at every file that a table names, once.

    Args:
        path: A table of `TABLES_OF_FILES`.

    Raises:
        FileNotFoundError: There is no such table, or not every file; naming table and utterance.
        ValueError: The table is not valid, or another file stands in the place of one of them.
    """
    seen = set[str]()
    for name, location in read_scp(path).items():
        # Of more than one column, the first.
        file = (
            location
            if os.path.isfile(location)
            else split_location((location.split() or [location])[0])[0]
        )
        if file in seen:
            continue
        seen.add(file)
        if not os.path.isfile(file):
            raise FileNotFoundError(f"{path}: {name}: there is no file {file}")
        try:
            refuse_placeholder_file(file)
        except ValueError as error:
            raise ValueError(f"{path}: {name}: {error}") from None
