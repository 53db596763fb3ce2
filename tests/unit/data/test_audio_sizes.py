"""Headers that lie: whole files are read whole, whatever the header says; cut ones are errors."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.data.audio import audio_info, read_samples

RATE = 16000
UNKNOWN_32 = [0, 0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFFFFF, 0x7FFFF000, 0x80000000]
ORDERS = {"RIFF": "<", "RIFX": ">"}
SAID = {"cut": "is cut: its header promises", "more": "holds more than its header says"}


def chunk(order: str, name: bytes, content: bytes, pad: bool = True) -> bytes:
    return (
        struct.pack(f"{order}4sI", name, len(content)) + content + bytes(pad and len(content) % 2)
    )


extra_chunks = st.lists(
    st.tuples(
        st.sampled_from([b"LIST", b"bext", b"id3 ", b"fact", b"JUNK"]), st.binary(max_size=40)
    ),
    max_size=3,
)


@st.composite
def wavs(draw: st.DrawFn) -> tuple[bytes, np.ndarray, str]:
    """A WAV file, its samples, and what it is: whole, cut, or more than its header says."""
    magic = draw(st.sampled_from(list(ORDERS)))
    order = ORDERS[magic]
    channels = draw(st.sampled_from([1, 2]))
    count = draw(st.integers(1, 300))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    samples = rng.integers(-3000, 3000, (count, channels)).astype(np.int16)
    data = samples.astype(f"{order}i2").tobytes()
    fmt = struct.pack(f"{order}HHIIHH", 1, channels, RATE, RATE * 2 * channels, 2 * channels, 16)
    before = b"".join(chunk(order, *item) for item in draw(extra_chunks) if item[0] != b"fact")
    header = b"WAVE" + chunk(order, b"fmt ", fmt) + before
    outcome = draw(st.sampled_from(["true", "streamed", "slip", "cut", "more"]))
    after = b""
    whole_size = 8 + len(header) + 8 + len(data)
    size = len(data)
    if outcome == "true":
        after = b"".join(chunk(order, *item) for item in draw(extra_chunks))
        after += draw(st.sampled_from([b"", b"junk behind all", bytes(7)]))
    elif outcome == "streamed":
        size = draw(st.sampled_from(UNKNOWN_32))
    elif outcome == "slip":
        size = whole_size - draw(st.sampled_from([0, 8]))
    elif outcome == "cut":
        size += draw(st.one_of(st.integers(1, 100_000), st.just(whole_size - size)))
    else:  # further samples, which no chunk begins with
        after = bytes([1]) * draw(st.integers(600, 2000))
    riffs = [0, 0xFFFFFFFF, 8, len(header) + 8 + size & 0xFFFFFFFF]
    if outcome == "slip":
        riffs = [whole_size - 8]
    if outcome == "more":
        riffs.append(whole_size + len(after) - 8)
    riff = draw(st.sampled_from(riffs))
    content = struct.pack(f"{order}4sI", magic.encode(), riff) + header
    content += struct.pack(f"{order}4sI", b"data", size) + data + after
    return content, samples, outcome


@settings(max_examples=400)
@given(wav=wavs())
def test_wav_headers_of_every_kind(tmp_path_factory: pytest.TempPathFactory, wav) -> None:
    content, samples, outcome = wav
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    path.write_bytes(content)
    if outcome in SAID:
        with pytest.raises(ValueError, match=SAID[outcome]):
            read_samples(path, channel=1)
        return
    read, rate = read_samples(path, channel=samples.shape[1])
    assert (rate, read.dtype) == (RATE, np.int16)
    np.testing.assert_array_equal(read, samples[:, -1])
    assert audio_info(path).num_samples == len(samples)


# Where the size of samples stands in files of libsndfile: bytes before, type, values of pipes.
FIELDS = {
    "AIFF": (b"SSND", ">I", [0, 0xFFFFFFFF, 0x7F000008]),
    "W64": (bytes.fromhex("64617461f3acd3118cd100c04f8edb8a"), "<Q", [0, 24, (1 << 64) - 1]),
    "CAF": (b"data", ">Q", [4, (1 << 64) - 1]),
    "AU": (b".snd" + struct.pack(">I", 24), ">I", [0, 0xFFFFFFFF]),
}


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_other_containers_from_a_pipe(tmp_path: Path, kind: str, subtype: str) -> None:
    before, number, unknown = FIELDS[kind]
    path = tmp_path / "a"
    tone = 0.4 * np.sin(0.1 * np.arange(1000))
    soundfile.write(path, tone, RATE, format=kind, subtype=subtype)
    expected, _ = read_samples(path)
    content = bytearray(path.read_bytes())
    at = content.index(before) + len(before)
    (size,) = struct.unpack_from(number, content, at)
    for value in unknown:
        changed = bytearray(content)
        struct.pack_into(number, changed, at, value)
        if kind == "AIFF":
            frames = changed.index(b"COMM") + 10
            struct.pack_into(">I", changed, frames, 0 if value == 0 else 0x7F000000)
        path.write_bytes(changed)
        np.testing.assert_array_equal(read_samples(path)[0], expected)
    struct.pack_into(number, content, at, size + 1000)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is cut: its header promises"):
        read_samples(path)


def test_rf64_from_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    samples = np.arange(1000, dtype=np.int16)
    soundfile.write(path, samples, RATE, format="RF64")
    content = bytearray(path.read_bytes())
    at = content.index(b"ds64") + 8
    for sizes in ((0, 0, 0), ((1 << 64) - 1,) * 3):
        struct.pack_into("<QQQ", content, at, *sizes)
        path.write_bytes(content)
        np.testing.assert_array_equal(read_samples(path)[0], samples)


def test_nist_counts_its_samples(tmp_path: Path) -> None:
    path = tmp_path / "a.sph"
    soundfile.write(path, np.zeros(1000), RATE, format="NIST", subtype="PCM_16")
    assert audio_info(path).num_samples == 1000
    path.write_bytes(path.read_bytes().replace(b"sample_count -i 1000", b"sample_count -i 2000"))
    with pytest.raises(ValueError, match="promises 4000 bytes of samples, 2000 are there"):
        audio_info(path)


def test_a_file_without_samples_is_empty_whatever_follows(tmp_path: Path) -> None:
    fmt = chunk("<", b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
    header = b"RIFF" + bytes(4) + b"WAVE" + fmt + chunk("<", b"data", b"")
    for after in (b"", chunk("<", b"LIST", b"INFO"), chunk("<", b"LIST", b"odd") * 2):
        (tmp_path / "a.wav").write_bytes(header + after)
        with pytest.raises(ValueError, match="is empty"):
            read_samples(tmp_path / "a.wav")


@pytest.mark.parametrize("size", [4, 0, 0xFFFFFFFF, 400])
def test_a_forgotten_odd_byte_is_no_silent_error(tmp_path: Path, size: int) -> None:
    fmt = chunk("<", b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
    odd = chunk("<", b"LIST", b"odd")[:-1]
    data = struct.pack("<4sI", b"data", size) + bytes([1, 0, 2, 0])
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + bytes(4) + b"WAVE" + fmt + odd + data)
    try:
        samples, _ = read_samples(path)
    except ValueError:
        return
    assert samples.tolist() == [1, 2]


TONE = (8000 * np.sin(0.3 * np.arange(1000))).astype(np.int16)
WITH_A_SIZE = ["WAV", "WAVEX", "RF64", "W64", "AIFF", "CAF", "AU", "NIST"]


@pytest.mark.parametrize("kind", WITH_A_SIZE)
def test_cuts_of_every_length_around_a_header(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    soundfile.write(path, TONE, RATE, format=kind, subtype="PCM_16")
    content = path.read_bytes()
    for length in [*range(1, 70), *range(len(content) - 70, len(content))]:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"is cut|cannot be read|is empty"):
            read_samples(path)


# The size of the samples: bytes before it, its type, and what it counts beside the samples.
SIZES = {
    "WAV": (b"data", "<I", 0),
    "WAVEX": (b"data", "<I", 0),
    "RF64": (b"ds64" + struct.pack("<I", 28) + bytes(8), "<Q", 0),
    "AIFF": (b"SSND", ">I", 8),
    "W64": (FIELDS["W64"][0], "<Q", 24),
    "CAF": (b"data", ">Q", 4),
    "AU": (FIELDS["AU"][0], ">I", 0),
}


@pytest.mark.parametrize("kind", SIZES)
def test_a_size_that_is_too_small_loses_no_samples(tmp_path: Path, kind: str) -> None:
    before, number, more = SIZES[kind]
    path = tmp_path / "a"
    soundfile.write(path, TONE, RATE, format=kind, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    if kind == "RF64":
        before = before[:-8] + content[content.index(b"ds64") + 8 :][:8]
    at = content.index(before) + len(before)
    (size,) = struct.unpack_from(number, content, at)
    assert size in (2 * len(TONE) + more, 2 * len(TONE) + more + 4)  # CAF counts edits
    lacking = [8, 10, 44, 100, 600, 1000, 1998] if kind not in ("AU", "CAF") else [600, 1000, 1998]
    for lack in lacking:
        struct.pack_into(number, content, at, size - lack)
        path.write_bytes(content)
        with pytest.raises(ValueError, match="holds more than its header says"):
            read_samples(path)


def test_a_nist_file_with_more_samples_than_it_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.sph"
    soundfile.write(path, TONE, RATE, format="NIST", subtype="PCM_16")
    path.write_bytes(path.read_bytes().replace(b"sample_count -i 1000", b"sample_count -i 500 "))
    with pytest.raises(ValueError, match="1000 bytes of samples are promised, 1000 bytes follow"):
        read_samples(path)


@pytest.mark.parametrize("kind", WITH_A_SIZE)
@pytest.mark.parametrize("count", [2, 3])
def test_files_one_after_the_other_are_no_file(tmp_path: Path, kind: str, count: int) -> None:
    path = tmp_path / "a"
    for length in (999, 1000):
        soundfile.write(path, TONE[:length], RATE, format=kind, subtype="PCM_16")
        path.write_bytes(path.read_bytes() * count)
        with pytest.raises(ValueError, match=r"holds (several files|more than its header says)"):
            read_samples(path)


@pytest.mark.parametrize("between", [b"", chunk("<", b"LIST", b"INFO")])
def test_two_chunks_of_samples(tmp_path: Path, between: bytes) -> None:
    fmt = chunk("<", b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
    data = chunk("<", b"data", TONE.tobytes())
    content = b"WAVE" + fmt + data + between + data
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(content)) + content)
    with pytest.raises(ValueError, match="holds a second chunk of samples"):
        read_samples(path)


@pytest.mark.parametrize(
    "behind",
    [
        *(b"TAG" + bytes(125), b"ID3\4" + bytes([7]) * 5000, b"APETAGEX" + bytes(900)),
        *(bytes(5000), b"\r\n", b"end of the recording"),
        *(chunk("<", b"LIST", b"INFO" + bytes(3)) + bytes(8), b"LIST\xff\0\0\0INFO"),
    ],
)
def test_what_may_lie_behind_samples(tmp_path: Path, behind: bytes) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, TONE, RATE, subtype="PCM_16")
    path.write_bytes(path.read_bytes() + behind)
    np.testing.assert_array_equal(read_samples(path)[0], TONE)
