"""Check of the files that the options of ESPnet's commands name, before ESPnet reads them.

ESPnet reads a configuration while it parses its options and a table while it decodes; what is wrong
with either is a traceback of PyYAML or of its own reader.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from speechmoe_espnet.data.matrix_file import split_location
from speechmoe_espnet.data.table import read_scp
from speechmoe_espnet.data.text_file import read_lines
from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.espnet.data_sources import TABLES_OF_FILES

_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_LEAST_TOKENS = 3


def check_option_files(words: Sequence[str] | None) -> None:
    """Read what ESPnet will read, and refuse what it cannot.

    Args:
        words: Arguments of the command; None: those of this process.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged or something else; the message names it.
    """
    words = sys.argv[1:] if words is None else words
    for path in _values(words, "config"):
        read_mapping(path, allow_empty=True)
    for path in _values(words, "asr_train_config"):
        if "token_list" not in read_mapping(path):
            raise ValueError(f"{path}: lacks token_list; expected the config.yaml of a training")
    for path in _values(words, "token_list"):
        _check_tokens(path)
    for value in _values(words, "data_path_and_name_and_type"):
        path, _, rest = value.partition(",")
        if rest.rpartition(",")[2] in TABLES_OF_FILES:
            _check_table(path)


def _values(words: Sequence[str], name: str) -> Iterator[str]:
    for number, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == f"--{name}" and equals:
            yield value
        elif word == f"--{name}" and number + 1 < len(words):
            yield words[number + 1]


def _check_tokens(path: str) -> None:
    lines = read_lines(path)
    for number, line in enumerate(lines, start=1):
        if _CONTROL.search(line):
            raise ValueError(f"{path}:{number}: a token with control characters; damaged")
    if len(lines) < _LEAST_TOKENS:
        raise ValueError(f"{path}: {len(lines)} tokens; expected a token on each line")


def _check_table(path: str) -> None:
    for name, location in read_scp(path).items():
        if not Path(split_location(location)[0]).is_file():
            raise ValueError(f"{path}: {name}: there is no file {location}")
