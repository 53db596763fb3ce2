"""A small valid run of every command of `bin`, and the files that it reads."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import formats
import numpy as np
from fake_voices import make_voices
from tiny_graph import LEXICON, TOKENS

from speechmoe_espnet.bin import export
from speechmoe_espnet.data.lexicon import Lexicon

NO_FILES = {
    "conf": "prints a shipped configuration",
    "demo": "serves a page until it is ended; it loads models as transcribe does",
    "fetch_voices": "reads what a registry sends, whose digests it knows",
    "plan": "reads names of files alone; recipes are tested by tests/shell",
    "side_by_side": "starts the two commands that it is given",
    "stage": "starts the command that it is given; its marks are a format of their own",
    "train_processes": "starts the command that it is given",
    "watch_training": "shows the end of a log, whatever it says",
}
"""Commands that read no file of a user."""

OUT = "out"


@dataclass(frozen=True)
class Call:
    """A valid run.

    Attributes:
        words: The arguments; paths are relative to the place.
        files: Files that it reads, which are damaged.
        optional: Those of them that need not be there.
    """

    words: str
    files: tuple[str, ...]
    optional: tuple[str, ...] = ()


MODEL = ("model/config.yaml", "model/valid.loss.ave.pth")
CALLS: dict[str, Call] = {
    "asr_train": Call(
        "--config train.yaml --token_list tokens.txt --output_dir out --ngpu 0 --dry_run true"
        " --train_data_path_and_name_and_type stats/train/feats.scp,speech,kaldi_ark",
        ("train.yaml", "tokens.txt"),
    ),
    "lm_train": Call(
        "--config lm.yaml --token_list tokens.txt --output_dir out --ngpu 0 --dry_run true",
        ("lm.yaml", "tokens.txt"),
    ),
    "asr_inference": Call(
        "--output_dir out --ngpu 0 --asr_train_config model/config.yaml"
        " --asr_model_file model/valid.loss.ave.pth --beam_size 1 --ctc_weight 1.0"
        " --data_path_and_name_and_type feats/feats.scp,speech,kaldi_ark",
        (*MODEL, "feats/feats.scp"),
    ),
    "collect_stats": Call(
        "--train_dir stats/train --dev_dir stats/dev --units_dir stats --token_type char"
        " --output_dir out",
        ("stats/train/feats.scp", "stats/train/a.ark", "stats/dev/text", "stats/tokens.txt"),
    ),
    "combine_data": Call(
        "a=kaldi --output_dir out",
        ("kaldi/wav.scp", "kaldi/text", "kaldi/utt2spk", "kaldi/segments"),
        ("kaldi/segments",),
    ),
    "decode": Call(
        "--model_dir model --config decode.yaml --data_dirs feats --output_dir out --ngpu 0",
        (*MODEL, "decode.yaml", "feats/feats.scp", "feats/a.ark", "feats/utt2num_frames"),
        ("feats/utt2num_frames",),
    ),
    "decode_onnx": Call(
        "--model model.onnx --config decode.yaml --data_dirs feats --output_dir out",
        ("model.onnx", "decode.yaml", "feats/feats.scp", "feats/a.ark"),
    ),
    "export": Call("--model_dir model --output out.onnx", MODEL),
    "extract_features": Call(
        "--data_dir kaldi --output_dir out --config fbank.yaml",
        ("fbank.yaml", "kaldi/wav.scp", "kaldi/text", "kaldi/utt2spk", "kaldi/a.wav"),
    ),
    "grid": Call(
        "egs/mix/asr1/grids/g.yaml --list",
        ("egs/mix/asr1/grids/g.yaml", "train.yaml"),
    ),
    "make_graph": Call(
        "--lexicon lexicon.txt --arpa lm.arpa --token_list graph_tokens.txt --output_dir out",
        ("lexicon.txt", "lm.arpa", "graph_tokens.txt"),
    ),
    "make_lexicon": Call(
        "--words words.txt --token_list syllables.txt --output_dir out",
        ("words.txt", "syllables.txt"),
    ),
    "make_lm_data": Call(
        "--train_texts sentences.txt --dev_text dev.txt --output_dir out",
        ("sentences.txt", "dev.txt"),
    ),
    "make_units": Call("--token_type char --train_dir kaldi --output_dir out", ("kaldi/text",)),
    "make_speech": Call(
        "--voices_dir voices --texts sentences.txt --num_utts 1 --output_dir out",
        ("sentences.txt",),
    ),
    "pack": Call("--model_dir model --output_dir out --fbank_config fbank.yaml", MODEL),
    "prepare_corpus": Call(
        "--corpus kaldi --corpus_dir corpus --output_dir out",
        tuple(f"corpus/train/{name}" for name in ("wav.scp", "text", "utt2spk")),
    ),
    "report": Call(
        "--system a=exp --decode ctc_greedy --sets set --output_dir out",
        formats._OUTCOME_FILES[1:],
        (
            *(f"{formats._SET}/{name}" for name in ("routing.json", "routing_example.npz")),
            *formats._OUTCOME_FILES[-2:],
        ),
    ),
    "rescore": Call(
        "--decode_dir nbest --sets dev --lm_dir lm --nn_lm_weight 0.3 --output_dir out --ngpu 0",
        ("nbest/dev/nbest.jsonl", "nbest/dev/rtf.json", "lm/config.yaml", "lm/valid.loss.ave.pth"),
        ("nbest/dev/rtf.json",),
    ),
    "score": Call(
        "--ref_dir refs/set --hyp_dir exp/decode_ctc_greedy/set --output_dir out",
        ("refs/set/text", "refs/set/utt2spk", f"{formats._SET}/text"),
    ),
    "train_ngram": Call(
        "--texts sentences.txt --dev_text dev.txt --order 2 --output_dir out",
        ("sentences.txt", "dev.txt"),
    ),
    "transcribe": Call(
        "kaldi/a.wav --model model --output_dir out",
        (*MODEL, "kaldi/a.wav"),
    ),
    "tune": Call(
        "--decode_dir nbest/dev --data_dir nbest/dev --output_dir out",
        ("nbest/dev/nbest.jsonl", "nbest/dev/text"),
    ),
    "unpack": Call(
        "--model start --output_dir out",
        tuple(f"start/{name}" for name in ("config.yaml", "valid.loss.ave.pth", "fbank.yaml")),
    ),
    "validate": Call("kaldi", ("kaldi/wav.scp", "kaldi/text", "kaldi/utt2spk", "kaldi/a.wav")),
}


def make_place(place: Path) -> None:
    """Write what all commands read."""
    from trained import experiment

    for name, make in {
        "stats": formats._stage_4,
        "lm": formats._neural,
        "kaldi": formats._kaldi_with_audio,
        "corpus/train": formats._kaldi_with_audio,
        "corpus/dev": formats._kaldi_with_audio,
        "corpus/test": formats._kaldi_with_audio,
        "feats": _features,
    }.items():
        (place / name).mkdir(parents=True)
        make(place / name)
    formats._grid(place)
    formats._experiment(place)
    experiment(place / "model")
    shutil.copytree(place / "model", place / "start")
    (place / "start/fbank.yaml").write_text("num_mel_bins: 40\n")
    words = ["--model_dir", str(place / "model"), "--output", str(place / "model.onnx")]
    assert export.main(words) == 0
    make_voices(place / "voices")
    _texts(place)


def _features(folder: Path) -> None:
    import kaldiio

    matrix = np.random.default_rng(0).normal(0, 1, (60, 40)).astype(np.float32)
    kaldiio.save_ark(str(folder / "a.ark"), {"a": matrix}, scp=str(folder / "feats.scp"))
    (folder / "utt2num_frames").write_text("a 60\n")


def _texts(place: Path) -> None:
    lists = {"acoustic_score": -1.0, "lm_score": -2.0, "acoustic_logp": -1.0, "lm_logp": -2.0}
    hyps = [{"text": "今天", "score": -3.0, "num_units": 2, **lists}]
    (place / "nbest/dev").mkdir(parents=True)
    lines = "".join(json.dumps({"utt": utt, "hyps": hyps}) + "\n" for utt in "ab")
    rtf = {"seconds_audio": 1.0, "seconds_decode": 1.0, "rtf": 1.0, "num_utts": 2}
    contents = {
        "nbest/dev/nbest.jsonl": lines,
        "nbest/dev/text": "a 今天\nb 今天\n",
        "nbest/dev/rtf.json": json.dumps(rtf),
        "nbest/model.json": "{}",
        "nbest/decode.json": json.dumps({"method": "ctc_prefix_beam"}),
        "train.yaml": "max_epoch: 1\nencoder: speechmoe\ninput_size: 40\n",
        "lm.yaml": "max_epoch: 1\nlm: seq_rnn\n",
        "fbank.yaml": "num_mel_bins: 40\ndither: 0.0\n",
        "decode.yaml": "method: ctc_greedy\n",
        "sentences.txt": "今天天气很好\n我们一起去公园吧\n北京人\n",
        "dev.txt": "今天\n",
        "words.txt": "今天\n天气\n",
        "syllables.txt": "<blank>\n<unk>\njin1\ntian1\nqi4\n<sos/eos>\n",
    }
    for name, content in contents.items():
        (place / name).write_text(content, encoding="utf-8")
    TOKENS.write(place / "tokens.txt")
    TOKENS.write(place / "graph_tokens.txt")
    Lexicon({word: tuple(units) for word, units in LEXICON.items()}).write(place / "lexicon.txt")
    formats.FORMATS["arpa of a graph"].make(place)
    for name in ("train", "dev", "test"):
        folder = place / "corpus" / name
        (folder / "segments").unlink()
        utt = f"{name}-1"
        for table, value in {"wav.scp": folder / "a.wav", "text": "今天", "utt2spk": name}.items():
            (folder / table).write_text(f"{utt} {value}\n", encoding="utf-8")
        (folder / "spk2utt").write_text(f"{name} {utt}\n")
