"""Check of the tables that a training reads, before it begins.

ESPnet opens the files of a table one by one, hours into a training and in processes of its own. A
table with a command in it, which would run somebody else's code, is refused here in one line.
"""

from argparse import Namespace

from speechmoe_espnet.data.table import check_location, read_scp

TABLES_OF_FILES = frozenset(
    ("kaldi_ark", "sound", "multi_columns_sound", "variable_columns_sound", "npy")
)


def check_sources(args: Namespace) -> None:
    """Refuse training and validation data that name a command instead of a file.

    Args:
        args: ESPnet's training arguments.

    Raises:
        FileNotFoundError: There is no such table.
        ValueError: Naming the table and the utterance.
    """
    for part in ("train", "valid"):
        option = f"{part}_data_path_and_name_and_type"
        for path, _, kind in getattr(args, option, None) or ():
            try:
                check_location(path)
            except ValueError as error:
                raise ValueError(f"--{option} {path}: {error}") from None
            if kind in TABLES_OF_FILES:
                read_scp(path)
