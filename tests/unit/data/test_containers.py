"""Compressed audio: read to the end of the data; cut, protected and silent files are errors."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sound_files import RATE, encode, tone

from speechmoe_espnet.data.audio import audio_info, read_audio, read_samples

CASES = Path(os.environ.get("SPEECHMOE_TEST_CASES", Path(__file__).parents[4] / "shared/cases"))


def mp3(path: Path, *, header: bool, constant: bool) -> Path:
    settings = (
        {"b": "32000"} if constant else {"q": "4", "flags": "+qscale", "global_quality": "472"}
    )
    options = {} if header else {"write_xing": "0"}
    return encode(path, "mp3", "libmp3lame", options=options, settings=settings)


@pytest.mark.parametrize("constant", [True, False])
def test_mp3_without_a_header_is_read_to_its_end(tmp_path: Path, constant: bool) -> None:
    known = mp3(tmp_path / "known.mp3", header=True, constant=constant)
    path = mp3(tmp_path / "a.mp3", header=False, constant=constant)
    assert soundfile.info(path).frames != audio_info(path).num_samples
    assert soundfile.info(known).frames == audio_info(known).num_samples == 4 * RATE
    samples, rate = read_audio(path)
    assert rate == RATE
    assert 0 <= len(samples) - 4 * RATE < 0.15 * RATE  # with the encoder's delay
    shift = int(np.correlate(samples[: 3 * RATE], tone(2.5), "valid").argmax())
    assert np.corrcoef(samples[shift : shift + 4 * RATE - 1200], tone(4)[:-1200])[0, 1] > 0.98
    part, _ = read_audio(path, 1.0, 3.5)
    np.testing.assert_array_equal(part, samples[RATE : 7 * RATE // 2])


def test_mp3_files_one_after_the_other_are_read_whole(tmp_path: Path) -> None:
    path = mp3(tmp_path / "a.mp3", header=True, constant=True)
    path.write_bytes(path.read_bytes() * 2)
    assert soundfile.info(path).frames == 4 * RATE
    assert 0 <= len(read_audio(path)[0]) - 8 * RATE < 0.3 * RATE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + b"TAG" + bytes(125))
    assert len(read_audio(path)[0]) == 4 * RATE


@pytest.mark.parametrize("header", [True, False])
def test_a_cut_mp3_is_an_error(tmp_path: Path, header: bool) -> None:
    path = mp3(tmp_path / "a.mp3", header=header, constant=False)
    content = path.read_bytes()
    for length in (len(content) // 3, len(content) // 2, len(content) - 20):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="is cut"):
            read_samples(path)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_hole_in_an_mp3_is_an_error(tmp_path: Path, constant: bool, place: float) -> None:
    path = mp3(tmp_path / "a.mp3", header=False, constant=constant)
    content = path.read_bytes()
    begin = int(place * len(content))
    for hole in (bytes(1500), b"\x01" * 1500):
        path.write_bytes(content[:begin] + hole + content[begin + 1500 :])
        with pytest.raises(ValueError, match=r"is damaged: bytes between|is cut|cannot be read"):
            read_samples(path)
    tag = b"TAG" + bytes(125)
    path.write_bytes(content + tag + content + tag + bytes(2000))
    assert len(read_audio(path)[0]) > 7 * RATE


def test_flac_of_unknown_length(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    samples = (np.random.default_rng(0).normal(0, 2000, 3 * RATE)).astype(np.int16)
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    assert content[:4] == b"fLaC"
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert soundfile.info(path).frames > 1 << 60
    assert audio_info(path).seconds == 3.0
    np.testing.assert_array_equal(read_samples(path)[0], samples)
    np.testing.assert_array_equal(read_samples(path, 1.0, 2.0)[0], samples[RATE : 2 * RATE])
    with pytest.raises(ValueError, match=r"segment ends at 4.0 s, the recording lasts 3.000 s"):
        read_samples(path, 1.0, 4.0)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="cannot be read as audio"):
        read_samples(path)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_ends_with_a_whole_page(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, tone(4), RATE, format="OGG", subtype=subtype)
    content = path.read_bytes()
    for length in (len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="is cut: its last page is not whole"):
            read_samples(path)
    # A recording that was stopped: no page is marked as the last.
    last = content.rindex(b"OggS")
    path.write_bytes(content[:last])
    assert 0 < len(read_samples(path)[0]) < 4 * RATE


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("mp4", "aac", {}),
        ("mp4", "aac", {"video": True}),
        ("mp4", "alac", {}),
        ("mp4", "aac", {"layout": "5.1", "rate": 48000}),
        ("mp4", "aac", {"layout": "stereo", "rate": 44100}),
        ("webm", "libopus", {"rate": 48000}),
        ("matroska", "flac", {}),
        ("adts", "aac", {}),
        ("mp2", "mp2", {}),
    ],
)
def test_other_containers(tmp_path: Path, name: str, codec: str, options: dict) -> None:
    path = encode(tmp_path / "a", name, codec, **options)
    rate = options.get("rate", RATE)
    samples, found = read_audio(path, channel="mean")
    assert found == rate
    assert abs(len(samples) / rate - 4) < 0.15
    spectrum = np.abs(np.fft.rfft(samples))
    assert abs(spectrum.argmax() * rate / len(samples) - 440) < 2
    part, _ = read_audio(path, 0.5, 1.5, channel="mean")
    np.testing.assert_array_equal(part, samples[rate // 2 : 3 * rate // 2])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 - 7])
    if name == "adts":  # frames alone: whole by its data, but for the frame that is cut
        assert 0 < len(read_audio(path)[0]) < len(samples)
        return
    with pytest.raises(ValueError, match=r"is cut|no audio stream"):
        read_audio(path, channel="mean")


def test_files_without_what_is_needed(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", "mp4", None, video=True)
    with pytest.raises(ValueError, match="has no audio stream, only video"):
        read_audio(path)
    encode(path, "mp4", "aac", seconds=0.01)
    assert 160 <= len(read_audio(path)[0]) <= 2048
    # The sample entry of a protected file is `drms` or `enca` instead of that of its codec.
    encode(path, "mp4", "aac")
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"drms"))
    with pytest.raises(ValueError, match="protected"):
        read_audio(path)
    for junk in (
        b"",
        b"\xff\xfb\x90",
        b"ID3",
        b"OggS",
        b"fLaC",
        b"RIFF",
        bytes(1000),
        b"\x1aE\xdf\xa3",
    ):
        path.write_bytes(junk)
        with pytest.raises(ValueError, match=r"cannot be read as audio|is empty"):
            read_audio(path)


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{other}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {other}\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 96\n",
    ],
)
def test_a_list_of_files_is_no_audio(tmp_path: Path, content: str) -> None:
    other = tmp_path / "other.wav"
    soundfile.write(other, tone(1), RATE)
    (tmp_path / "a").write_text(content.format(other=other))
    with pytest.raises(ValueError, match="cannot be read as audio"):
        read_audio(tmp_path / "a")


@pytest.mark.skipif(not CASES.is_dir(), reason=f"no {CASES}; set SPEECHMOE_TEST_CASES")
def test_files_of_other_programs() -> None:
    folder = CASES / "audio"
    reference, _ = read_samples(folder / "ref.wav")
    for name in ("size0.wav", "flac_pipe.flac"):
        np.testing.assert_array_equal(read_samples(folder / name)[0], reference)
    for name in ("f32.wav", "s24.wav"):
        np.testing.assert_allclose(read_audio(folder / name)[0], reference / 32768, atol=2**-15)
    for name in ("pipe.mp3", "vbr_noxing.mp3"):  # with the encoder's delay
        assert 0 <= len(read_samples(folder / name)[0]) - len(reference) < 2 * 1152
    with pytest.raises(ValueError, match="is cut"):
        read_samples(folder / "trunc_half.wav")
