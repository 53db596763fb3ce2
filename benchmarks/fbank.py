"""Feature extraction from audio files to a compressed ark, its parts, and loading of features.

Everything runs on one core. Figures in x are seconds of audio per second of computation ("real
time"). The bar is an imaginary system of exactly 1500 x real time. Reading alone shows the formats
whose decoder is too slow for the bar.
"""

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from kaldiio.matio import write_array
from numpy.typing import NDArray
from omniio import kaldi

from benchmarks.recordings import write_recordings
from benchmarks.result import Row, timed_rows
from benchmarks.timing import Spread, interleave, torch_threads
from speechmoe_espnet.data.ark import compressed_matrix
from speechmoe_espnet.data.audio import read_samples
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.fbank_reference import reference_fbank
from speechmoe_espnet.data.feature_dir import extract_features
from speechmoe_espnet.data.features import compute_features
from speechmoe_espnet.data.kaldi_dir import DataDir, validate_data_dir
from speechmoe_espnet.espnet.patches import fast_decompression

OURS = "speechmoe_espnet"
BAR = "1500 x real time"
REQUIRED_SPEED = 1500.0
ROUNDS, QUICK_ROUNDS = 9, 3
UTTERANCES, QUICK_UTTERANCES = 200, 30
SOURCES = (
    ("wav", 16000),
    ("flac", 16000),
    ("wav", 8000),
    ("wav", 44100),
    ("wav", 48000),
    ("flac", 48000),
)
EXTRACTION = "read + compute + write"

Features = NDArray[np.float32]
System = Callable[[], object]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--utterances",
        type=int,
        help=f"recordings per format (default: {UTTERANCES}, with --quick {QUICK_UTTERANCES})",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the recordings")


def run(args: argparse.Namespace) -> list[Row]:
    """Measure.

    Args:
        args: rounds, num_threads, quick and the options of `add_arguments`.

    Returns:
        For each source of audio the whole extraction, and for 16 kHz wav its parts: seconds,
        then seconds of audio per second.

    Raises:
        ValueError: num_threads is not 1, or utterances is less than 1.
    """
    if args.num_threads != 1:
        raise ValueError(
            f"--num_threads must be 1, got {args.num_threads}: features are measured on one "
            f"core, extraction uses more by processes"
        )
    default = QUICK_UTTERANCES if args.quick else UTTERANCES
    number = default if args.utterances is None else args.utterances
    if number < 1:
        raise ValueError(f"--utterances must be at least 1, got {number}")
    rounds = args.rounds or (QUICK_ROUNDS if args.quick else ROUNDS)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench_fbank.") as folder, torch_threads(1):
        for suffix, rate in SOURCES:
            config = FbankConfig(resample=rate != 16000)
            source = Path(folder) / f"{suffix}{rate}"
            audio = write_recordings(source, suffix, rate, number, args.seed)
            case = f"{rate / 1000:g} kHz {suffix}" + (" to 16 kHz" if config.resample else "")
            measure = _Measure(case, audio, rounds)
            rows += measure.extraction(_extractions(source, config))
            if (suffix, rate) == SOURCES[0]:
                rows += _parts(measure, source, config)
    return rows


class _Measure:
    """Measurement of systems on the same audio."""

    def __init__(self, case: str, audio: float, rounds: int) -> None:
        self.case = case
        self.audio = audio
        self.rounds = rounds

    def extraction(self, systems: Mapping[str, System]) -> list[Row]:
        """Measure against the imaginary system at the bar."""
        seconds = interleave(systems, self.rounds, warmup=1)
        required = {BAR: [self.audio / REQUIRED_SPEED] * self.rounds}
        return self._rows(EXTRACTION, required | seconds, BAR, {OURS: 1.0})

    def part(self, measure: str, systems: Mapping[str, System], baseline: str) -> list[Row]:
        """Measure against one of the systems."""
        return self._rows(measure, interleave(systems, self.rounds, warmup=1), baseline, {})

    def _rows(
        self,
        measure: str,
        seconds: Mapping[str, Sequence[float]],
        baseline: str,
        bars: Mapping[str, float],
    ) -> list[Row]:
        rows = timed_rows(self.case, measure, seconds, baseline, bars)
        for system, samples in seconds.items():
            speed = Spread.of([self.audio / sample for sample in samples])
            rows.append(Row(self.case, f"{measure}, x real time", system, "x", speed))
        return rows


def _extractions(source: Path, config: FbankConfig) -> dict[str, System]:
    target = source / "features"
    data = validate_data_dir(source)
    systems: dict[str, System] = {OURS: lambda: extract_features(source, target, target, config)}
    if not config.resample:
        systems["torchaudio + kaldiio"] = lambda: _extract_plainly(data, target, config)
    systems["soundfile, reading alone"] = lambda: [
        soundfile.read(path, dtype="float32") for path in data.wav_scp.values()
    ]
    return systems


def _extract_plainly(data: DataDir, target: Path, config: FbankConfig) -> None:
    """Extract features with the libraries' own functions, without tables."""
    with (target / "plain.ark").open("wb") as ark:
        for name, path in data.wav_scp.items():
            samples, _ = soundfile.read(path, dtype="float32")
            features = reference_fbank(torch.from_numpy(samples).mul(32768), config)
            ark.write(f"{name} ".encode())
            write_array(ark, features.numpy(), compression_method=2)


def _parts(measure: _Measure, source: Path, config: FbankConfig) -> list[Row]:
    paths = list(validate_data_dir(source).wav_scp.values())
    samples = [read_samples(path)[0] for path in paths]
    scaled = [torch.from_numpy(item).float() for item in samples]
    features = [compute_features(item, 16000, config) for item in samples]
    scp = str(source / "features" / "feats.scp")
    compute: dict[str, System] = {
        OURS: lambda: [compute_features(item, 16000, config) for item in samples],
        "torchaudio": lambda: [reference_fbank(item, config) for item in scaled],
    }
    if (native := _kaldi_native_fbank(config)) is not None:
        floats = [item.numpy() for item in scaled]
        compute["kaldi-native-fbank"] = lambda: [native(item) for item in floats]
    return [
        *measure.part(
            "read",
            {
                OURS: lambda: [read_samples(path) for path in paths],
                "soundfile": lambda: [soundfile.read(path, dtype="float32") for path in paths],
            },
            "soundfile",
        ),
        *measure.part("compute", compute, "torchaudio"),
        *measure.part(
            "write ark",
            {
                OURS: lambda: _write(features, compressed_matrix),
                "kaldiio": lambda: _write(features, _kaldiio_bytes),
            },
            "kaldiio",
        ),
        *measure.part(
            "load ark to train",
            {OURS: lambda: _load_fast(scp), "ESPnet": lambda: _load(scp)},
            "ESPnet",
        ),
    ]


def _load(scp: str) -> None:
    """Load all features as ESPnet's dataset does."""
    for item in kaldi.load_scp(scp).values():
        assert item.dtype == np.float32


def _load_fast(scp: str) -> None:
    with fast_decompression():
        _load(scp)


def _write(features: Sequence[Features], compress: Callable[[Features], bytes]) -> None:
    with tempfile.TemporaryFile() as ark:
        for number, item in enumerate(features):
            ark.write(f"u{number} ".encode())
            ark.write(compress(item))


def _kaldiio_bytes(features: Features) -> bytes:
    buffer = BytesIO()
    write_array(buffer, features, compression_method=2)
    return buffer.getvalue()


def _kaldi_native_fbank(config: FbankConfig) -> Callable[[Features], Features] | None:
    """Load kaldi-native-fbank if it is installed; it is not required."""
    try:
        library: Any = importlib.import_module("kaldi_native_fbank")
    except ModuleNotFoundError:
        print(
            "benchmarks: fbank: no rows of kaldi-native-fbank, which is not installed "
            "(pip install kaldi-native-fbank)",
            file=sys.stderr,
        )
        return None
    options = library.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.samp_freq = config.sample_frequency
    options.mel_opts.num_bins = config.num_mel_bins
    options.mel_opts.low_freq = config.low_freq
    options.mel_opts.high_freq = config.high_freq

    def compute(samples: Features) -> Features:
        bank = library.OnlineFbank(options)
        bank.accept_waveform(config.sample_frequency, samples)
        bank.input_finished()
        return np.stack([bank.get_frame(frame) for frame in range(bank.num_frames_ready)])

    return compute
