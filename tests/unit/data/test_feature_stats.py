"""Stage 4 writes what ESPnet's own statistics stage writes, for any number of processes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from espnet2.bin.aggregate_stats_dirs import aggregate_stats_dirs
from espnet2.main_funcs import collect_stats as espnet
from espnet2.train.abs_espnet_model import AbsESPnetModel
from local_cluster import MortalWorkers

from speechmoe_espnet.bin import collect_stats as command
from speechmoe_espnet.data.ark import compressed_matrix, decompressed_matrix
from speechmoe_espnet.data.feature_stats import SetFiles, collect_stats
from speechmoe_espnet.pipeline.pool import ProcessPool

NUM_TRAIN, NUM_DEV, WIDTH = 50, 7, 5
WRITTEN = (
    *("feats_lengths_stats.npz", "feats_stats.npz"),
    *("speech_shape", "text_shape", "text_shape.units"),
)


class Passes(AbsESPnetModel):
    """Gives features as they are."""

    def collect_feats(self, speech, speech_lengths, **_):
        return {"feats": speech, "feats_lengths": speech_lengths}

    def forward(self, **_):
        raise AssertionError


def make_set(folder: Path, count: int, seed: int) -> SetFiles:
    folder.mkdir()
    rng = np.random.default_rng(seed)
    scp, text = [], []
    for index in range(count):
        name = f"u{index:02d}"
        ark = folder / f"{index // 20}.ark"
        features = rng.normal(8, 3, (int(rng.integers(6, 90)), WIDTH)).astype(np.float32)
        with ark.open("ab") as file:
            file.write(f"{name} ".encode())
            scp.append(f"{name} {ark}:{file.tell()}\n")
            file.write(compressed_matrix(features))
        text.append(f"{name} {'甲' * int(rng.integers(1, 9))}\n")
    (folder / "feats.scp").write_text("".join(scp))
    (folder / "text").write_text("".join(text), encoding="utf-8")
    return SetFiles(folder / "feats.scp", folder / "text")


@pytest.fixture
def sets(tmp_path: Path) -> tuple[SetFiles, SetFiles]:
    (tmp_path / "tokens.txt").write_text("<blank>\n<unk>\n甲\n<sos/eos>\n", encoding="utf-8")
    return make_set(tmp_path / "train", NUM_TRAIN, 0), make_set(tmp_path / "dev", NUM_DEV, 1)


def batches(files: SetFiles, part: int, num_parts: int, size: int = 4):
    lines = files.feats_scp.read_text().splitlines()
    text = dict(line.split() for line in files.text.read_text(encoding="utf-8").splitlines())
    lines = [line for i, line in enumerate(lines) if i * num_parts // len(lines) == part]
    for first in range(0, len(lines), size):
        names, entries = zip(*(x.split() for x in lines[first : first + size]), strict=True)
        speech = []
        for entry in entries:
            ark, offset = entry.split(":")
            speech.append(torch.from_numpy(decompressed_matrix(read_from(ark, int(offset) + 5))))
        batch = {"text": [torch.zeros(len(text[name]), dtype=torch.long) for name in names]}
        batch["speech"] = speech
        padded = {}
        for key, values in batch.items():
            padded[key] = torch.nn.utils.rnn.pad_sequence(values, batch_first=True)
            padded[f"{key}_lengths"] = torch.tensor([len(value) for value in values])
        yield list(names), padded


def read_from(path: str, begin: int) -> bytes:
    return Path(path).read_bytes()[begin:]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_bytes_are_espnets_for_any_number_of_processes(sets, tmp_path):
    token_list = tmp_path / "tokens.txt"
    for jobs in (1, 2):
        out = tmp_path / f"ours{jobs}"
        collect_stats(*sets, token_list, "char", out, ProcessPool(jobs), utterances_a_part=20)
        assert sorted(contents(out)) == [
            f"{name}/{file}" for name in ("train", "valid") for file in WRITTEN
        ]
    assert contents(tmp_path / "ours1") == contents(tmp_path / "ours2")
    parts = []
    for part in range(3):
        parts.append(tmp_path / f"part{part}")
        iterators = (list(batches(files, part, 3)) for files in sets)
        espnet.collect_stats(Passes(), *iterators, parts[-1], 0, 100, False)
    aggregate_stats_dirs(parts, tmp_path / "espnet", "WARNING", skip_sum_stats=False)
    ours = contents(tmp_path / "ours1")
    for name, content in contents(tmp_path / "espnet").items():
        assert ours[name] == content, name
    shape = ours["train/text_shape"].decode().splitlines()
    assert ours["train/text_shape.units"].decode() == "".join(f"{line},4\n" for line in shape)


def test_bytes_are_those_of_a_cluster(sets, tmp_path, cluster):
    said = []

    def progress(items, total, desc):
        said.append((total, desc))
        return iter(items)

    for name, workers in (("here", ProcessPool(1)), ("there", cluster)):
        tokens, out = tmp_path / "tokens.txt", tmp_path / name
        collect_stats(*sets, tokens, "char", out, workers, None, 20, progress)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert said == [(6, "parts of 20 utterances")] * 2


def test_a_killed_worker_changes_no_bytes(sets, tmp_path, cluster):
    for name, workers in (
        ("here", ProcessPool(1)),
        ("there", MortalWorkers(cluster, tmp_path / "died")),
    ):
        collect_stats(*sets, tmp_path / "tokens.txt", "char", tmp_path / name, workers, None, 20)
    assert (tmp_path / "died").exists()
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_no_part_is_without_dev_utterances(sets, tmp_path):
    few = make_set(tmp_path / "few", 2, 3)
    collect_stats(
        sets[0], few, tmp_path / "tokens.txt", "char", tmp_path / "out", ProcessPool(1), None, 5
    )
    assert np.load(tmp_path / "out/train/feats_lengths_stats.npz")["count"] == NUM_TRAIN
    assert np.load(tmp_path / "out/valid/feats_lengths_stats.npz")["count"] == 2


def test_command_takes_syllables_from_the_units(sets, tmp_path):
    units = tmp_path / "units"
    for name, files in zip(("train", "dev"), sets, strict=True):
        (units / name).mkdir(parents=True)
        text = files.text.read_text(encoding="utf-8")
        (units / name / "text").write_text(text.replace("甲", "jia3 "), encoding="utf-8")
    (tmp_path / "tokens.txt").rename(units / "tokens.txt")
    options = [f"--train_dir={tmp_path}/train", f"--dev_dir={tmp_path}/dev"]
    options += [f"--units_dir={units}", "--token_type=syllable_phone"]
    assert command.main([*options, f"--output_dir={tmp_path}/out"]) == 0
    lines = sets[0].text.read_text(encoding="utf-8").splitlines()
    expected = [f"{line.split()[0]} {line.count('甲')}" for line in lines]
    assert (tmp_path / "out/train/text_shape").read_text().splitlines() == expected


@pytest.mark.parametrize("empty", [0, 1])
def test_a_set_without_utterances_is_told(sets, tmp_path, empty):
    sets[empty].feats_scp.write_text("")
    with pytest.raises(ValueError, match="no utterances in"):
        collect_stats(*sets, tmp_path / "tokens.txt", "char", tmp_path / "out")


def test_text_that_does_not_join_is_told(sets, tmp_path):
    lines = sets[1].text.read_text(encoding="utf-8").splitlines(keepends=True)
    sets[1].text.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"dev/text: .* u06"):
        collect_stats(*sets, tmp_path / "tokens.txt", "char", tmp_path / "out")


def test_other_features_are_told(sets, tmp_path):
    (tmp_path / "train/0.ark").write_bytes(b"u00 \0BFM " + bytes(5000))
    with pytest.raises(ValueError, match=r"u00 .*: no compressed features"):
        collect_stats(*sets, tmp_path / "tokens.txt", "char", tmp_path / "out")
