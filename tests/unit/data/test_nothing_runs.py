"""Nothing that is read as data runs: every kind of file in every reader, with a canary."""

import contextlib
import pickle
from pathlib import Path

import kaldiio
import numpy as np
import pytest
from canaries import commands, contents

from speechmoe_espnet.bin import (
    collect_stats,
    extract_features,
    make_graph,
    make_lexicon,
    make_units,
    score,
    train_ngram,
    tune,
    validate,
)
from speechmoe_espnet.corpora.synthetic.surroundings import _read_or_make
from speechmoe_espnet.data.audio import read_audio
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.json_files import read_object
from speechmoe_espnet.data.kaldi_dir import DataDir
from speechmoe_espnet.data.lexicon import Lexicon
from speechmoe_espnet.data.matrix_file import read_matrix
from speechmoe_espnet.data.table import read_scp, read_table
from speechmoe_espnet.data.text_file import read_text
from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.data.units import BpeTokenizer
from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.decode.graph.fst_arrays import FstArrays
from speechmoe_espnet.decode.nbest import read_nbest
from speechmoe_espnet.decode.tuning_file import read_tuning
from speechmoe_espnet.grids.run_table import read_csv, read_json
from speechmoe_espnet.inference.utterances import Utterance, list_audio, list_features
from speechmoe_espnet.lm.arpa import read_arpa
from speechmoe_espnet.lm.sentences import read_lines
from speechmoe_espnet.lm.vocabulary import Vocabulary
from speechmoe_espnet.recipe.training_args import length_args
from speechmoe_espnet.results.routing import RoutingExample, RoutingSummary

READERS = {
    "matrix": lambda path: read_matrix(str(path)),
    "matrix at an offset": lambda path: read_matrix(f"{path}:4"),
    "features": lambda path: Utterance("a", Path("feats.scp"), str(path), 0.0).load(),
    "audio": read_audio,
    "table": read_table,
    "scp": read_scp,
    "text": read_text,
    "sentences": read_lines,
    "tokens": TokenList.load,
    "lexicon": Lexicon.load,
    "vocabulary": Vocabulary.read,
    "arpa": read_arpa,
    "bpe": BpeTokenizer.load,
    "fst": FstArrays.read,
    "json": lambda path: read_object(path, ()),
    "tuning": read_tuning,
    "nbest": read_nbest,
    "csv": read_csv,
    "rows": read_json,
    "fbank": FbankConfig.from_yaml,
    "decoding": DecodeConfig.from_yaml,
    "grid": read_mapping,
    "training": lambda path: length_args(path, [], tiny=True),
    "routing": RoutingSummary.load,
    "routing example": RoutingExample.load,
    "rooms": lambda path: _read_or_make(path, lambda: np.zeros(1, np.float32)),
}
KINDS = list(contents(Path("canary")))


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "a payload ran"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_contents_do_not_run(canary, tmp_path, reader, kind):
    for suffix in ("", ".gz", ".arpa", ".wav", ".npz"):
        path = tmp_path / f"file{suffix}"
        path.write_bytes(contents(canary)[kind])
        with contextlib.suppress(
            ValueError, OSError, RuntimeError, TypeError, KeyError, AttributeError
        ):
            READERS[reader](path)


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("reader", ["matrix", "features", "audio", "arpa", "table", "tokens"])
def test_names_of_files_do_not_run(canary, tmp_path, monkeypatch, reader, number):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError)):
        READERS[reader](Path(list(commands(canary))[number]))


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize(
    "read",
    [
        lambda folder: DataDir.load(folder),
        list_features,
        lambda folder: list_audio(folder, 16000),
        lambda folder: read_scp(folder / "feats.scp"),
        lambda folder: read_scp(folder / "wav.scp"),
    ],
)
def test_commands_in_tables_are_refused(canary, tmp_path, read, number):
    _write_data(tmp_path, list(commands(canary))[number])
    with pytest.raises(ValueError, match=r"\.scp: a: pipes are not supported, .*give its path"):
        read(tmp_path)


@pytest.mark.parametrize("location", ["-", "x.ark"])
def test_standard_input_is_no_file(tmp_path, location):
    (tmp_path / "feats.scp").write_text(f"a {location}\n")
    if location == "-":
        with pytest.raises(ValueError, match="pipes are not supported"):
            read_scp(tmp_path / "feats.scp")
    else:
        assert read_scp(tmp_path / "feats.scp") == {"a": location}


def _write_data(folder: Path, location: str) -> None:
    for name in ("wav.scp", "feats.scp"):
        (folder / name).write_text(f"a {location}\n")
    (folder / "text").write_text("a 好\n", encoding="utf-8")
    (folder / "utt2spk").write_text("a s\n")


@pytest.mark.parametrize("number", range(4))
def test_commands_refuse_tables_and_names_in_one_line(canary, tmp_path, capsys, number):
    command = list(commands(canary))[number]
    _write_data(tmp_path, command)
    (tmp_path / "units").mkdir()
    TokenList.from_units(["好"]).write(tmp_path / "units" / "tokens.txt")
    (tmp_path / "fbank.yaml").write_text("num_mel_bins: 40\n")
    folder, out = str(tmp_path), str(tmp_path / "out")
    fbank, tokens = str(tmp_path / "fbank.yaml"), str(tmp_path / "units" / "tokens.txt")
    runs = [
        (validate, [folder]),
        (extract_features, ["--data_dir", folder, "--config", fbank, "--output_dir", out]),
        (extract_features, ["--data_dir", folder, "--config", command, "--output_dir", out]),
        (
            collect_stats,
            [
                "--train_dir",
                folder,
                "--dev_dir",
                folder,
                "--units_dir",
                f"{folder}/units",
                "--token_type",
                "char",
                "--output_dir",
                out,
            ],
        ),
        (make_units, ["--token_type", "char", "--train_dir", command, "--output_dir", out]),
        (
            make_graph,
            ["--lexicon", command, "--arpa", command, "--token_list", tokens, "--output_dir", out],
        ),
        (make_lexicon, ["--words", command, "--token_list", tokens, "--output_dir", out]),
        (train_ngram, ["--texts", command, "--dev_text", command, "--output_dir", out]),
        (score, ["--ref_dir", command, "--hyp_dir", command, "--output_dir", out]),
        (tune, ["--decode_dir", command, "--data_dir", command, "--output_dir", out]),
    ]
    for module, words in runs:
        assert module.main(words) == 1, module.__name__
        assert capsys.readouterr().err.count(": error: ") == 1, module.__name__


def test_the_payloads_are_alive(tmp_path):
    """Readers that are not careful run them; otherwise the tests above would show nothing."""
    canary = tmp_path / "alive"
    found = contents(canary)
    (tmp_path / "a.ark").write_bytes(found["PKL matrix"])
    (tmp_path / "npy").write_bytes(found["npy"])
    for run in (
        lambda: pickle.loads(found["pickle"]),
        lambda: kaldiio.load_mat(str(tmp_path / "a.ark")),
        lambda: np.load(tmp_path / "npy", allow_pickle=True),
        lambda: kaldiio.load_mat(next(commands(canary))),
    ):
        with contextlib.suppress(ValueError, AssertionError, AttributeError, OSError, RuntimeError):
            run()
        assert canary.exists()
        canary.unlink()
