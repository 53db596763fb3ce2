"""Decode recordings with an exported model: onnxruntime, numpy and Python's own `wave`, no more.

    python onnx_decode.py model.onnx first.wav second.wav

Copy this file where the model is to run; it needs nothing else of this project. The units and the
options of the features are in the model file. Recordings are 16-bit PCM with one channel.
"""

import argparse
import json
import os
import sys
import wave
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime

PREEMPHASIS = 0.97
SHORTEST_SPEECH = 0.1  # seconds
WINDOW_EXPONENT = 0.85
FORMAT = "speechmoe_espnet.ctc/1"
SILENT = ("<blank>", "<unk>", "<sos/eos>")
METADATA = ("format", "units", "token_type", "fbank", "sample_rate", "least_frames")


def read_wav(path: str) -> tuple[np.ndarray, int]:
    """Read a recording: samples (num_samples,) as 16-bit integers in float64, and Hz."""
    with wave.open(path, "rb") as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            raise ValueError(f"{path}: expected 16-bit samples of one channel")
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        if len(samples) != file.getnframes():
            raise ValueError(
                f"{path}: cut: {len(samples)} samples where its header promises {file.getnframes()}"
            )
        return samples.astype(np.float64), file.getframerate()


def compute_fbank(samples: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Log-mel filter banks as Kaldi computes them.

    Args:
        samples: (num_samples,), as 16-bit integers.
        options: `fbank` of the model's metadata.

    Returns:
        (num_frames, bins), float32.
    """
    rate = options["sample_frequency"]
    length = int(rate * options["frame_length"] * 0.001)
    shift = int(rate * options["frame_shift"] * 0.001)
    if len(samples) < length:
        raise ValueError(f"{len(samples)} samples are too few for one frame of {length}")
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[::shift]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))
    size = 1 << (length - 1).bit_length()
    spectrum = np.fft.rfft((frames - PREEMPHASIS * before) * hann**WINDOW_EXPONENT, size)
    energies = np.square(np.abs(spectrum)) @ mel_filters(size, options).T
    fbank = np.log(np.maximum(energies, np.finfo(np.float32).eps)).astype(np.float32)
    return add_deltas(fbank) if options["deltas"] else fbank


def mel_filters(size: int, options: Mapping[str, Any]) -> np.ndarray:
    """Triangles on the mel scale, (bins, size // 2 + 1)."""
    nyquist = options["sample_frequency"] / 2
    high = options["high_freq"] if options["high_freq"] > 0 else nyquist + options["high_freq"]
    low_mel, high_mel = (1127 * np.log(1 + hz / 700) for hz in (options["low_freq"], high))
    step = (high_mel - low_mel) / (options["num_mel_bins"] + 1)
    left = low_mel + step * np.arange(options["num_mel_bins"])[:, None]
    frequencies = np.arange(size // 2 + 1) * options["sample_frequency"] / size
    mel = 1127 * np.log(1 + frequencies / 700)
    filters = np.maximum(0, np.minimum((mel - left) / step, (left + 2 * step - mel) / step))
    filters[:, -1] = 0  # Kaldi leaves out half the sample rate itself.
    return filters


def add_deltas(features: np.ndarray) -> np.ndarray:
    """Append first and second differences, Kaldi's add-deltas."""
    slope = np.arange(-2, 3) / 10
    parts = [features]
    for scales in (slope, np.convolve(slope, slope)):
        half = len(scales) // 2
        padded = np.pad(features, ((half, half), (0, 0)), mode="edge")
        parts.append(sum(s * padded[i : i + len(features)] for i, s in enumerate(scales)))
    return np.concatenate(parts, axis=1).astype(np.float32)


class Decoder:
    """An exported model with CTC greedy search.

    Args:
        path: What `python -m speechmoe_espnet.bin.export` wrote.
        num_threads: Threads of onnxruntime.
    """

    def __init__(self, path: str, num_threads: int = 1) -> None:
        if not os.path.isfile(path):
            raise FileNotFoundError(f"no model file {path}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        props = self.session.get_modelmeta().custom_metadata_map
        self.about = {key: json.loads(props[key]) for key in METADATA if key in props}
        if self.about.get("format") != FORMAT:
            raise ValueError(f"{path}: not written for this example, or by another version")
        if self.about["fbank"] is None:
            raise ValueError(f"{path}: does not say how its features are computed (fbank)")

    def __call__(self, path: str) -> str:
        """Return the text of a recording; less than 0.1 s is too short for any."""
        samples, rate = read_wav(path)
        if rate != self.about["sample_rate"]:
            raise ValueError(f"{path}: {rate} Hz, the model takes {self.about['sample_rate']} Hz")
        if len(samples) < SHORTEST_SPEECH * rate:
            return ""
        features = compute_fbank(samples, self.about["fbank"])
        if len(features) < self.about["least_frames"]:
            return ""
        feed = {"features": features[None], "lengths": np.array([len(features)])}
        log_probs, lengths = self.session.run(None, feed)
        return self.text(log_probs[0, : lengths[0]].argmax(axis=1))

    def text(self, best: np.ndarray) -> str:
        """Collapse repeats, drop blanks, and join what is left."""
        units = self.about["units"]
        kept = best[np.concatenate([[True], best[1:] != best[:-1]])]
        words = [units[unit] for unit in kept if units[unit] not in SILENT]
        if self.about["token_type"] == "word":
            return " ".join(words)
        joined = "".join(words).replace("<space>", " ").replace("\u2581", " ")
        return " ".join(joined.split())


def main(argv: Sequence[str] | None = None) -> int:
    """Decode each recording and print its text."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", help="exported model")
    parser.add_argument("recordings", nargs="+", help="16-bit wav files of one channel")
    args = parser.parse_args(argv)
    try:
        decoder = Decoder(args.model)
        for path in args.recordings:
            print(f"{path} {decoder(path)}", flush=True)
    except (ValueError, OSError, wave.Error) as error:
        print(f"onnx_decode: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
