"""Check of the paths that the options of ESPnet's commands name, before ESPnet uses them.

ESPnet reads a configuration while it parses its options, a table while it decodes and a model of
pieces while it builds what cuts texts; what is wrong with one of them is a traceback of the library
that reads it.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from speechmoe_espnet.data.placeholder import refuse_placeholder_file
from speechmoe_espnet.data.text_file import read_lines
from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.espnet.data_sources import TABLES_OF_FILES, check_files_of

_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_LEAST_TOKENS = 3
_NAMES_FILE = re.compile(
    r"config|((asr|lm|mt|s2t|slu|st|word_lm)_)?(train_config|file|model_file)|"
    r"((src|tgt)_)?(token_list|(word_)?lm_file|(word_)?lm_train_config|ngram_file)|"
    r"ngram_file|key_file|((train|valid)_)?shape_file|non_linguistic_symbols|inference_config"
)
_DATA = "data_path_and_name_and_type"
"""Of commands that decode; a training compares its sets first (`set_check`, `data_sources`)."""
_NOTHING = ("", "none", "null", "nil")


def check_option_files(words: Sequence[str] | None) -> None:
    """Read what ESPnet will read, and refuse what it cannot.

    Options in the file that `--config` names are checked, too.

    Args:
        words: Arguments of the command; None: those of this process.

    Raises:
        FileNotFoundError: There is no such file; the message names the option.
        NotADirectoryError: A file is where the output belongs.
        ValueError: It is damaged or something else; the message names it.
    """
    words = sys.argv[1:] if words is None else words
    given = [(name, value) for name, value in _options(words) if value.lower() not in _NOTHING]
    for name, value in list(given):
        if name == "config" and os.path.isfile(value):
            given += _options_in(value)
    for name, value in given:
        # Of a table also its name and type, of --init_param also the names of tensors.
        for path in {value, re.split("[,:]", value, maxsplit=1)[0]}:
            refuse_placeholder_file(path)
        if _NAMES_FILE.fullmatch(name) and not os.path.exists(value):
            raise FileNotFoundError(f"--{name}: no file {value}")
        if name == "config":
            read_mapping(value, allow_empty=True)
        elif name.endswith("_train_config") and "token_list" not in read_mapping(value):
            raise ValueError(f"{value}: lacks token_list; expected the config.yaml of a training")
        elif name.endswith("token_list"):
            _check_tokens(value)
        elif name == "output_dir":
            _check_place(Path(value))
        elif name == _DATA:
            path, _, rest = value.partition(",")
            if rest.rpartition(",")[2] in TABLES_OF_FILES:
                check_files_of(path)


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the options of a command with each of their values."""
    name = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if equals:
                yield name, value
        else:
            yield name, word


def _options_in(path: str) -> Iterator[tuple[str, str]]:
    """Yield the options of a configuration whose values are texts or lists of these."""
    for name, value in read_mapping(path, allow_empty=True).items():
        for one in value if isinstance(value, list) and name != "token_list" else [value]:
            if isinstance(one, str):
                yield name, one


def _check_tokens(path: str) -> None:
    lines = read_lines(path)
    for number, line in enumerate(lines, start=1):
        if _CONTROL.search(line):
            raise ValueError(f"{path}:{number}: a token with control characters; damaged")
    if len(lines) < _LEAST_TOKENS:
        raise ValueError(f"{path}: {len(lines)} tokens; expected a token on each line")


def _check_place(path: Path) -> None:
    existing = next(place for place in (path, *path.parents) if place.exists())
    if not existing.is_dir():
        raise NotADirectoryError(f"--output_dir: {existing} is a file; name another directory")
