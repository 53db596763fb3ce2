"""Fake experiment directories, with the files of training, decoding and scoring."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from speechmoe_espnet.bin import score
from speechmoe_espnet.data.table import read_table, write_table

SETS = ("read", "chat", "spon", "aishell2")
HANZI = "今天气很好我们去北京看书他说你不要来了这是什么时候人民日报新闻的和在有中国大学生工作"


def make_references(root: Path, sets: Sequence[str] = SETS, *, num_utts: int = 24) -> None:
    """Write root/<set>/{text,utt2spk}, and the same in units as root/units/<set>/text."""
    for number, name in enumerate(sets):
        generator = np.random.default_rng(number)
        text, utt2spk = {}, {}
        for index in range(num_utts):
            speaker = f"{name}_s{index % 6}"
            length = int(generator.integers(5, 26))
            text[f"{speaker}_{index:03d}"] = "".join(generator.choice(list(HANZI), length))
            utt2spk[f"{speaker}_{index:03d}"] = speaker
        directory = root / name
        directory.mkdir(parents=True, exist_ok=True)
        write_table(directory / "text", text)
        in_units = root / "units" / name
        in_units.mkdir(parents=True)
        write_table(in_units / "text", {utt: to_units(words) for utt, words in text.items()})
        write_table(directory / "utt2spk", utt2spk)


def to_units(text: str) -> str:
    """Convert a text to units: fake syllables, each for about three different characters."""
    return " ".join(f"sy{HANZI.index(character) // 3}" for character in text)


def make_experiment(
    directory: Path,
    references: Path,
    sets: Sequence[str] = SETS,
    *,
    error_rate: float,
    seed: int = 0,
    num_experts: int = 1,
    num_layers: int = 4,
    decode: str = "ctc_greedy",
    decoding: Mapping[str, Any] | None = None,
    in_units: bool = False,
) -> None:
    """Write one experiment: statistics, model.json and, for each set, scores and routing.

    With `decoding` there is a decode.json, with `in_units` also a score in units for each set.
    """
    decoded = directory / f"decode_{decode}"
    decoded.mkdir(parents=True)
    (directory / "config.yaml").write_text("batch_size: 8\nseed: 7\n")
    _write_stats(directory / "train_stats.jsonl", error_rate, num_experts)
    model = {
        "params_total": 230_000 * (1 if num_experts == 1 else 5),
        "params_active": 230_000,
        "flops_per_second_of_audio": 31_000_000,
        "flops_without_embedding_network": 24_000_000,
    }
    (decoded / "model.json").write_text(json.dumps(model))
    if decoding is not None:
        (decoded / "decode.json").write_text(json.dumps(decoding))
    for number, name in enumerate(sets):
        generator = np.random.default_rng([seed, number])
        out = decoded / name
        out.mkdir()
        refs = read_table(references / name / "text")
        rate = error_rate * (1 + number / 2)
        hyps = {utt: _garble(ref, rate, generator) for utt, ref in refs.items()}
        write_table(out / "text", hyps)
        rtf = {"seconds_audio": 600.0, "seconds_decode": 3.0, "rtf": 0.005, "num_utts": len(refs)}
        (out / "rtf.json").write_text(json.dumps({**rtf, "threads": 2}))
        if num_experts > 1:
            _write_routing(out, next(iter(refs.items())), num_experts, num_layers, generator)
        argv = ["--ref_dir", references / name, "--hyp_dir", out, "--output_dir", out / "score"]
        assert score.main([str(word) for word in argv]) == 0
        if in_units:
            write_table(out / "units", {utt: to_units(hyp) for utt, hyp in hyps.items()})
            score_units(out, references, name)


def score_units(out: Path, references: Path, name: str) -> None:
    """Score a decoded set in units, as in recipes."""
    argv = ["--ref_dir", references / "units" / name, "--utt2spk", references / name / "utt2spk"]
    argv += ["--hyp_dir", out, "--hyp_name", "units", "--metric", "ser"]
    argv += ["--output_dir", out / "score_ser"]
    assert score.main([str(word) for word in argv]) == 0


def _garble(text: str, rate: float, generator: np.random.Generator) -> str:
    out = ""
    for character in text:
        draw = generator.random()
        if draw < rate * 0.7:
            out += str(generator.choice(list(HANZI)))
        elif draw < rate * 0.85:
            out += character + str(generator.choice(list(HANZI)))
        elif draw > rate:
            out += character
    return out


def _write_stats(path: Path, error_rate: float, num_experts: int) -> None:
    lines = []
    for epoch in range(1, 9):
        loss = 20 * error_rate + 40 / epoch
        train: dict[str, float] = {"loss": loss, "loss_ctc": loss - 1}
        if num_experts > 1:
            train |= {
                "loss": loss + 2,
                "loss_sparsity": 2 / epoch,
                "loss_importance": 1.1,
                "router_confidence": 0.3 + 0.05 * epoch,
                "expert_load_min": 0.01 * epoch,
                "expert_load_max": 0.5 - 0.02 * epoch,
                "expert_load_entropy": 1.2 + 0.1 * epoch,
            }
        valid = {name: value * 1.1 for name, value in train.items()}
        valid["cer_ctc"] = error_rate + 0.5 / epoch
        if epoch == 3:
            train["loss"] = float("nan")
        train["forward_time"], valid["loss_att"] = 0.1, float("nan")
        record = {"epoch": epoch, "steps": 250 * epoch, "seconds": 33.5}
        record |= {"seconds_train": 30.0, "seconds_waiting": 0.15}
        lines.append(json.dumps({**record, "train": train, "valid": valid}) + "\n")
    path.write_text("".join(lines))


def _write_routing(
    out: Path,
    utterance: tuple[str, str],
    num_experts: int,
    num_layers: int,
    generator: np.random.Generator,
) -> None:
    loads = generator.dirichlet(np.full(num_experts, 2.0), size=num_layers)
    layers = [
        {
            "load": load.tolist(),
            "confidence": float(generator.uniform(0.4, 0.95)),
            "entropy": float(-(load * np.log(load)).sum()),
        }
        for load in loads
    ]
    (out / "routing.json").write_text(json.dumps({"layers": layers, "num_frames": 20_000}))
    utt, text = utterance
    step, gap = 3, 8
    num_outputs = gap * (len(text) + 1)
    units = [""] * num_outputs
    for index, character in enumerate(text):
        units[gap * index + 6] = units[gap * index + 7] = character
    time = np.arange(num_outputs * step)[:, None]
    bins = np.arange(40)[None, :]
    envelope = 3 * np.abs(np.sin(time * np.pi / (gap * step)))
    feats = (
        -8 + envelope + 2 * np.sin(bins / 4 + time / 30) + generator.normal(size=(len(time), 40))
    )
    expert = np.repeat(
        generator.integers(0, num_experts, (num_layers, num_outputs // 4)), 4, axis=1
    )
    np.savez(
        out / "routing_example.npz",
        utt=np.array(utt),
        feats=feats.astype(np.float32),
        expert=expert,
        prob=generator.uniform(0.3, 1.0, expert.shape).astype(np.float32),
        units=np.array(units),
        subsampling=np.array(step),
    )
