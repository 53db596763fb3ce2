"""Long lists through the stages, each a process of its own: CPU seconds and peak of memory.

    python tests/slow/list_scale.py --sizes 10000 100000 --folder /tmp/lists

Utterances are parts of one recording, their features a few frames, their texts some characters.
The lists have the sizes of real ones; what a stage does with audio and models is not measured here.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from speechmoe_espnet.data.ark import compressed_matrix

ROOT = Path(__file__).parents[2]
BIN = [sys.executable, "-m"]
UTTERANCES_AN_ARK = 250
NUM_DEV = 100
RATE = 16000
CHARACTERS = [chr(0x4E00 + number) for number in range(3000)]


def make_lists(folder: Path, num_utts: int) -> None:
    """Write a Kaldi directory of segments, and features as stage 2 writes them."""
    rng = random.Random(num_utts)
    samples = np.random.default_rng(0).normal(0, 0.05, 60 * RATE)
    for name, count in (("train", num_utts), ("dev", NUM_DEV), ("test", NUM_DEV)):
        data, dump = folder / "corpus" / name, folder / "dump" / name
        data.mkdir(parents=True)
        dump.mkdir(parents=True)
        wav = folder / "corpus" / f"{name}.wav"
        soundfile.write(wav, samples, RATE)
        names = [f"{name}-speaker{number // 200:06}-{number:08}" for number in range(count)]
        texts = ["".join(rng.choices(CHARACTERS, k=12)) for _ in names]
        speakers = [each.rpartition("-")[0] for each in names]
        (data / "wav.scp").write_text(f"{name} {wav}\n")
        _write(data / "text", names, texts)
        _write(data / "utt2spk", names, speakers)
        starts = [number % 590 / 10 for number in range(count)]
        _write(data / "segments", names, [f"{name} {s:.2f} {s + 0.2:.2f}" for s in starts])
        _write(dump / "text", names, texts)
        _write(dump / "utt2spk", names, speakers)
        matrix = compressed_matrix(np.random.default_rng(1).normal(0, 1, (4, 40)).astype("f4"))
        places = []
        for first in range(0, count, UTTERANCES_AN_ARK):
            ark = dump / f"feats.{first // UTTERANCES_AN_ARK + 1}.ark"
            with ark.open("wb") as file:
                for each in names[first : first + UTTERANCES_AN_ARK]:
                    file.write(f"{each} ".encode())
                    places.append(f"{ark}:{file.tell()}")
                    file.write(matrix)
        _write(dump / "feats.scp", names, places)
        _write(dump / "utt2num_frames", names, ["4"] * count)


def _write(path: Path, names: list[str], values: list[str]) -> None:
    lines = (f"{name} {value}\n" for name, value in zip(names, values, strict=True))
    path.write_text("".join(lines), encoding="utf-8")


def stages(folder: Path) -> dict[str, list[str]]:
    """Return the command of each stage."""
    command = lambda name, *words: [*BIN, f"speechmoe_espnet.bin.{name}", *map(str, words)]  # noqa: E731
    dump, out = folder / "dump", folder / "out"
    python = lambda name: [sys.executable, __file__, "--step", name, "--folder", str(folder)]  # noqa: E731
    fbank = ROOT / "conf/fbank.yaml"
    return {
        "1 data (kaldi)": command(
            *("prepare_corpus", "--corpus", "kaldi", "--corpus_dir", folder / "corpus"),
            *("--nj", 1, "--output_dir", out / "data"),
        ),
        "2 features (nothing to hear)": command(
            *("extract_features", "--data_dir", folder / "corpus/train", "--config", fbank),
            *("--nj", 1, "--output_dir", out / "feats"),
        ),
        "3 units": command(
            *("make_units", "--token_type", "char", "--train_dir", dump / "train"),
            *("--sets", dump / "dev", "--output_dir", out / "units"),
        ),
        "4 statistics": command(
            *("collect_stats", "--train_dir", dump / "train", "--dev_dir", dump / "dev"),
            *("--units_dir", out / "units", "--token_type", "char", "--output_dir", out / "stats"),
        ),
        "9 decoding (lists alone)": python("decode"),
        "11 scoring": command(
            *("score", "--ref_dir", dump / "train", "--hyp_dir", out / "decode/train"),
            *("--output_dir", out / "score"),
        ),
        "digests of features": python("digests"),
        "ESPnet: lists of training": python("espnet"),
    }


def decode(folder: Path) -> None:
    """List, batch, write: what decoding does with a list, without a model."""
    from speechmoe_espnet.decode.config import DecodeConfig
    from speechmoe_espnet.decode.hypothesis import Hypothesis
    from speechmoe_espnet.decode.recognized import Recognized
    from speechmoe_espnet.decode.resources import Resources
    from speechmoe_espnet.decode.routing_summary import RoutingTotals
    from speechmoe_espnet.inference.set_decoding import decode_set
    from speechmoe_espnet.inference.utterances import list_features

    utterances = list_features(folder / "dump/train")
    empty = (Hypothesis((), 0.0),)
    decode_set(
        lambda batches: (
            (
                [Recognized(u.name, ("一二三",), ("一 二 三",), empty, seconds=1.0) for u in batch],
                RoutingTotals(),
            )
            for batch in batches
        ),
        DecodeConfig.from_yaml(ROOT / "conf/decode_ctc_greedy.yaml"),
        utterances,
        folder / "out/decode/train",
        Resources(1, 1, "CPU", "here"),
    )


def digests(folder: Path) -> None:
    """Digest the features, as the mark of stage 2."""
    from speechmoe_espnet.pipeline.digests import content_digest, listing_digest

    content_digest(folder / "dump/train")
    listing_digest(folder / "dump/train")


def espnet(folder: Path) -> None:
    """Read the lists of a training and make its batches, as ESPnet does."""
    from espnet2.samplers.build_batch_sampler import build_batch_sampler
    from espnet2.train.dataset import ESPnetDataset

    begun = time.process_time()
    dump, stats = folder / "dump/train", folder / "out/stats/train"
    dataset = ESPnetDataset(
        [(str(dump / "feats.scp"), "speech", "kaldi_ark"), (str(dump / "text"), "text", "text")],
        # As ESPnet's preprocessor: texts become numbers.
        preprocess=lambda _, data: data | {"text": np.array([ord(c) for c in data["text"]])},
    )
    read = time.process_time()
    sampler = build_batch_sampler(
        type="numel",
        batch_size=1,
        batch_bins=200000,
        shape_files=[str(stats / "speech_shape"), str(stats / "text_shape.units")],
        sort_in_batch="descending",
        sort_batch="descending",
        drop_last=False,
        min_batch_size=1,
        fold_lengths=[],
    )
    made = time.process_time()
    names = next(iter(sampler))
    for name in names[:50]:
        dataset[name]
    print(f"lists {read - begun:.1f} s, {len(list(sampler))} batches {made - read:.1f} s")


STEPS: dict[str, Callable[[Path], None]] = {"decode": decode, "digests": digests, "espnet": espnet}


def measure(command: list[str]) -> dict[str, float | str]:
    """Run a command; return its CPU seconds and peak of memory, children included."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    begun = time.monotonic()
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        assert child.stdout is not None
        told = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)}\n{told}")
    return {
        "cpu": round(usage.ru_utime + usage.ru_stime, 2),
        "wall": round(time.monotonic() - begun, 1),
        "mib": round(usage.ru_maxrss / 1024),
        "told": told.strip().splitlines()[-1] if told.strip() else "",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--folder", type=Path, required=True, help="scratch; is removed")
    parser.add_argument("--skip", nargs="*", default=[], help="first words of stages to leave out")
    parser.add_argument("--step", choices=STEPS, help="for this program itself")
    args = parser.parse_args()
    if args.step:
        STEPS[args.step](args.folder)
        return
    for size in args.sizes:
        shutil.rmtree(args.folder, ignore_errors=True)
        make_lists(args.folder, size)
        for name, command in stages(args.folder).items():
            if name.split()[0] not in args.skip:
                print(json.dumps({"size": size, "stage": name, **measure(command)}), flush=True)
    shutil.rmtree(args.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
