"""FLAC headers that lie: too few samples, too many, two files, damage within frames."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from speechmoe_espnet.data import flac_ends
from speechmoe_espnet.data.audio import audio_info, read_samples
from speechmoe_espnet.data.audio_blocks import audio_blocks

RATE = 16000
BLOCK = 4096
READERS = [read_samples, audio_info, lambda path: list(audio_blocks(path))]


def noise(count: int, channels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(count)
    return rng.integers(-2000, 2000, (count, channels)).astype(np.int16)


def flac(samples: np.ndarray) -> bytearray:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="FLAC", subtype="PCM_16")
    return bytearray(file.getvalue())


def promising(content: bytearray, count: int) -> bytes:
    changed = bytearray(content)
    changed[21] = changed[21] & 0xF0 | count >> 32
    changed[22:26] = (count & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(changed)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("count", [1, 15, 16, 255, 300, 4095, BLOCK, BLOCK + 1, 3 * BLOCK + 700])
def test_a_true_header_is_told_by_the_last_frame(
    tmp_path: Path, count: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.flac"
    samples = noise(count, channels)
    path.write_bytes(flac(samples))

    def decoded(*_: object) -> None:
        raise AssertionError("decoded twice")

    monkeypatch.setattr("speechmoe_espnet.data.containers.decoded_blocks", decoded)
    np.testing.assert_array_equal(read_samples(path, channel=channels)[0], samples[:, -1])
    path.write_bytes(flac(samples) + b"TAG" + bytes(125))
    assert audio_info(path).num_samples == count


def test_other_encoders_frames_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    samples = noise(3 * BLOCK + 700)
    for level in ("0", "8"):
        with av.open(str(path), "w", format="flac") as container:
            stream = container.add_stream(
                "flac", rate=RATE, layout="mono", options={"compression_level": level}
            )
            frame = av.AudioFrame.from_ndarray(samples.T, format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, 0
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
        assert flac_ends._find_last_sample(path) == len(samples)
        np.testing.assert_array_equal(read_samples(path)[0], samples[:, 0])


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        *((-n, "holds more than its header says") for n in (1, 700, 701, BLOCK + 700, 3 * BLOCK)),
        *((n, "is cut: its header promises") for n in (1, 700, BLOCK, 100_000, (1 << 36) - 20_000)),
    ],
)
def test_a_wrong_number_of_samples(tmp_path: Path, reader, change: int, said: str) -> None:
    path = tmp_path / "a.flac"
    count = 3 * BLOCK + 700
    path.write_bytes(promising(flac(noise(count)), count + change))
    with pytest.raises(ValueError, match=said):
        reader(path)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("second", [5000, 5001])
def test_files_one_after_the_other(tmp_path: Path, reader, second: int) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(flac(noise(5000)) + flac(noise(second)))
    with pytest.raises(ValueError, match="holds several files one after the other"):
        reader(path)


@pytest.mark.parametrize("at", range(100, 6000, 491))
def test_a_byte_changed_within_a_frame_is_damage(tmp_path: Path, at: int) -> None:
    path = tmp_path / "a.flac"
    content = flac(noise(5000))
    begin = content.index(b"\xff\xf8")
    content[begin + at] ^= 0x55
    path.write_bytes(content)
    for reader in (READERS[0], READERS[2]):
        with pytest.raises(ValueError, match=r"is damaged|cannot be read|is cut"):
            reader(path)


def test_a_header_without_a_digest_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    content = flac(noise(5000))
    content[26] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged: its samples are not those"):
        read_samples(path)
    content[26:42] = bytes(16)
    path.write_bytes(content)
    np.testing.assert_array_equal(read_samples(path)[0], noise(5000)[:, 0])
