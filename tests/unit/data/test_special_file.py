import os
import socket
from pathlib import Path

import pytest

from speechmoe_espnet.data.audio import audio_info, read_audio
from speechmoe_espnet.data.audio_blocks import audio_blocks
from speechmoe_espnet.data.special_file import special_file


def test_kinds_of_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    assert special_file(tmp_path) == special_file(tmp_path / "file") == ""
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert special_file("socket").startswith("is a socket, not a file")
    with pytest.raises(FileNotFoundError):
        special_file("nothing")


@pytest.mark.parametrize("read", [read_audio, audio_info, lambda path: list(audio_blocks(path))])
def test_audio_from_a_pipe_or_a_device_is_refused(read, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    (tmp_path / "b.wav").symlink_to("/dev/zero")
    for name, kind in (("a", "a named pipe"), ("b", "a device")):
        with pytest.raises(ValueError, match=f"is {kind}, not a file"):
            read(tmp_path / f"{name}.wav")
