from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechmoe_espnet.data.audio import audio_info, read_audio, read_samples
from speechmoe_espnet.data.audio_blocks import INT16_FORMATS, audio_blocks
from speechmoe_espnet.data.samples import as_float

RATE = 16000
RAMP = (np.arange(2 * RATE) / (2 * RATE)).astype(np.float32)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", RAMP, RATE, subtype="FLOAT")
    return tmp_path / "a.wav"


TONE = (0.4 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
EXACT = {"PCM_16": 2**-15, "PCM_24": 2**-22, "PCM_32": 2**-23, "FLOAT": 0.0, "DOUBLE": 0.0}
EXACT |= {"PCM_S8": 2**-6, "PCM_U8": 2**-6, "ULAW": 0.02, "ALAW": 0.02}
EXACT |= {"ALAC_16": 2**-15, "ALAC_20": 2**-19, "ALAC_24": 2**-22, "ALAC_32": 2**-23}
NO_HEADER = "RAW"
# Formats that libsndfile lists but cannot write, or cannot read back.
NOT_WRITTEN = {
    *(("AIFF", f"DWVW_{bits}") for bits in (12, 16, 24)),
    *(("MP3", f"MPEG_LAYER_{layer}") for layer in ("I", "II")),
    ("WAV", "MPEG_LAYER_III"),
}
KINDS = [
    (kind, subtype)
    for kind in soundfile.available_formats()
    for subtype in soundfile.available_subtypes(kind)
    if kind != NO_HEADER and (kind, subtype) not in NOT_WRITTEN
]


@pytest.mark.parametrize(("kind", "subtype"), KINDS)
def test_every_format_of_libsndfile(tmp_path: Path, kind: str, subtype: str) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    soundfile.write(path, TONE, RATE, format=kind, subtype=subtype)
    whole, rate = read_audio(path)
    expected, expected_rate = soundfile.read(path, dtype="float32")
    assert rate == expected_rate
    assert whole.dtype == np.float32
    # The rounding of the MP3 decoder depends on memory addresses.
    np.testing.assert_allclose(whole, expected, rtol=0, atol=1e-6 if kind == "MP3" else 0)
    plain, _ = read_samples(path)
    expected_type = np.int16 if subtype == "PCM_16" and kind in INT16_FORMATS else np.float32
    assert plain.dtype == expected_type
    if kind == "SDS":
        return  # libsndfile truncates this format when writing
    assert len(TONE) <= len(whole) <= len(TONE) + 1200
    if subtype in EXACT:
        assert np.abs(whole[: len(TONE)] - TONE).max() <= EXACT[subtype]
    else:
        assert (
            np.abs(np.abs(np.fft.rfft(whole)).argmax() * rate / len(whole) - 440 * rate / RATE) < 5
        )


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.opus", "a.mp3", "a.aiff"])
def test_parts_of_every_format(tmp_path: Path, name: str) -> None:
    options = {"format": "OGG", "subtype": "OPUS"} if name == "a.opus" else {}
    soundfile.write(tmp_path / name, np.tile(TONE, 3), RATE, **options)
    whole, _ = read_audio(tmp_path / name)
    part, _ = read_audio(tmp_path / name, 0.75, 2.5)
    np.testing.assert_allclose(part, whole[3 * RATE // 4 : 5 * RATE // 2], atol=2e-3)


def test_sixteen_bits_are_the_same_as_float(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", RAMP, RATE, subtype="PCM_16")
    samples, _ = read_samples(tmp_path / "a.wav", 0.5, 1.5)
    floats, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert samples.dtype == np.int16
    np.testing.assert_array_equal(as_float(samples), floats[RATE // 2 : 3 * RATE // 2])


@pytest.mark.parametrize("name", ["a.raw", "A.RAW", "a.au", "a.snd", "a.vox", "A.gsm"])
def test_no_header(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(3200))
    with pytest.raises(ValueError, match="without a header, which states no sample rate"):
        read_audio(tmp_path / name)


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (0.0, -1.0, 0, 2 * RATE),
        (0.5, 1.25, RATE // 2, 5 * RATE // 4),
        (1.5, -1.0, 3 * RATE // 2, 2 * RATE),
        (1.5, 2.5, 3 * RATE // 2, 2 * RATE),
    ],
)
def test_parts(wav: Path, start: float, end: float, first: int, last: int) -> None:
    samples, _ = read_audio(wav, start, end)
    np.testing.assert_array_equal(samples, RAMP[first:last])


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (2.0, -1.0, r"segment starts at 2.0 s, the recording lasts 2.000 s"),
        (0.0, 2.51, r"segment ends at 2.51 s, the recording lasts 2.000 s"),
        (0.5, 0.50001, r"holds no samples at 16000 Hz"),
    ],
)
def test_parts_outside(wav: Path, start: float, end: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_audio(wav, start, end)


def test_unusable_files(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"no audio")
    with pytest.raises(ValueError, match="cannot be read as audio"):
        read_audio(path)
    soundfile.write(path, np.zeros(0), RATE)
    with pytest.raises(ValueError, match="is empty"):
        read_audio(path)
    soundfile.write(path, np.zeros((100, 2)), RATE)
    with pytest.raises(ValueError, match="has 2 channels, 1 is expected; `channel: mean`"):
        read_audio(path)
    soundfile.write(path, np.array([0.0, np.nan]), RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match="not finite"):
        read_audio(path)


# Their headers give no number of samples: such a file is whole by its data.
NO_SIZE = {
    *(("PAF", ""), ("PVF", ""), ("IRCAM", ""), ("XI", ""), ("SDS", "")),
    ("SD2", ""),
    ("VOC", "PCM_U8"),
}


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [found for found in KINDS if not {(found[0], ""), found} & NO_SIZE],
)
def test_a_cut_file_of_every_format_is_an_error(tmp_path: Path, kind: str, subtype: str) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    soundfile.write(path, TONE, RATE, format=kind, subtype=subtype)
    content = path.read_bytes()
    for length in (1, len(content) // 4, len(content) // 2, 9 * len(content) // 10):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"is cut|cannot be read|is empty"):
            read_audio(path)


def test_channels(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    left, right = (np.arange(100, dtype=np.int16) + first for first in (0, 1000))
    soundfile.write(path, np.stack([left, right], axis=1), RATE)
    assert audio_info(path).channels == 2
    np.testing.assert_array_equal(read_samples(path, channel=2)[0], right)
    np.testing.assert_array_equal(read_samples(path, 0.001, channel=1)[0], left[16:])
    np.testing.assert_allclose(read_audio(path, channel="mean")[0], (left + 500) / 32768)
    with pytest.raises(ValueError, match="has 2 channels, not channel 3"):
        read_samples(path, channel=3)


RATES_OF_NO_SPEECH = [1, 8, 44, 999, 1_000_001, 500_000_000]


@pytest.mark.parametrize("rate", RATES_OF_NO_SPEECH)
@pytest.mark.parametrize("kind", ["wav", "aiff", "au", "caf"])
def test_rates_that_no_speech_has(rate: int, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    soundfile.write(path, RAMP, rate)
    for read in (read_audio, audio_info, lambda path: list(audio_blocks(path))):
        with pytest.raises(ValueError, match=f"sample rate of {rate} Hz; expected 1000 to"):
            read(path)


@pytest.mark.parametrize("rate", [1000, 8000, 11025, 192_000, 1_000_000])
def test_rates_that_speech_may_have(rate: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", RAMP, rate)
    assert audio_info(tmp_path / "a.wav").rate == rate
