"""A Kaldi directory that grows while speech for it is made, and can be read at any time."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from speechmoe_espnet.corpora.synthetic.speech_plan import Line
from speechmoe_espnet.corpora.synthetic.spoken import Spoken
from speechmoe_espnet.data.kaldi_dir import DataDir, read_table, write_table
from speechmoe_espnet.data.text_file import read_text
from speechmoe_espnet.pipeline.atomic_file import write_text_atomically

_OPTIONS = "options.txt"
_LOCK = ".lock"
# `text` last: whoever reads by its ids finds them in the others.
_TABLES = ("wav.scp", "utt2spk", "spk2utt", "utt2source", "text")


def check_options(path: Path, options: str) -> None:
    """Refuse to go on with a directory that other options began.

    Args:
        path: The directory; made if needed.
        options: What decides its content, in one line.

    Raises:
        ValueError: The directory was begun otherwise.
    """
    path.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        begun = path / _OPTIONS
        if not begun.exists():
            write_text_atomically(begun, options + "\n")
        elif (earlier := read_text(begun, nfc=False).strip()) != options:
            raise ValueError(
                f"{path} was begun with other options; name another directory, or give those: "
                f"{' '.join(earlier.split())[:500]} (now: {options})"
            )


def write_lines(path: Path, lines: Sequence[Line], spoken: Spoken) -> None:
    """Write the tables of what is said so far; each file is replaced as a whole.

    A directory that has more already, by another process, is left as it is.

    Args:
        path: The directory.
        lines: The first lines of the plan, all of them said.
        spoken: Where the speech lies.
    """
    data = DataDir(
        path=path,
        wav_scp={line.name: str(spoken.file(line.saying).resolve()) for line in lines},
        text={line.name: line.text for line in lines},
        utt2spk={line.name: line.saying.voice.name for line in lines},
    )
    with _locked(path):
        if (path / "text").exists() and len(read_table(path / "text")) > len(lines):
            return
        beside = path / f".tables.tmp.{os.getpid()}"
        try:
            data.write(beside)
            write_table(beside / "utt2source", {line.name: line.source for line in lines})
            for name in _TABLES:
                (beside / name).replace(path / name)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    file = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
