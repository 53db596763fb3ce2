"""Ends of segments, for other tools."""

from pathlib import Path

import numpy as np
import soundfile

from speechmoe_espnet.data.audio import read_audio
from speechmoe_espnet.data.kaldi_dir import DataDir, Segment
from speechmoe_espnet.data.segment_ends import with_ends

RATE = 16000
RAMP = (np.arange(2 * RATE) / (2 * RATE)).astype(np.float32)


def test_ends_of_segments_are_stated_from_the_recording(tmp_path: Path) -> None:
    wav = tmp_path / "a.wav"
    soundfile.write(wav, RAMP, RATE, subtype="FLOAT")
    segments = {"0": Segment("a", 0.5, -1.0), "1": Segment("a", 0.0, 2.25)}
    names = dict.fromkeys(segments, "s")
    data = DataDir(wav.parent, {"a": str(wav)}, names, names, segments)
    stated = with_ends(data).segments
    assert stated is not None
    assert stated["0"] == Segment("a", 0.5, 2.0)
    # What is allowed as it is stays as it is.
    assert stated["1"] == segments["1"]
    samples, _ = read_audio(wav, 0.5, stated["0"].end)
    np.testing.assert_array_equal(samples, RAMP[RATE // 2 : 2 * RATE])
    wav.write_bytes(wav.read_bytes()[:1000])
    # Stage 2 says what is wrong with the recording.
    assert with_ends(data) == data
    whole = DataDir(wav.parent, {"a": str(wav)}, {"a": "好"}, {"a": "s"})
    assert with_ends(whole) is whole
