import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("lightning", reason="needs the packages of the extra espnet3")

from espnet3.components.data.dataset_module import load_dataset_module

from speechmoe_espnet.task import kaldi_dataset
from speechmoe_espnet.task.kaldi_dataset import Dataset, DatasetBuilder


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    soundfile.write(tmp_path / "long.wav", np.linspace(-0.5, 0.5, 16000), 16000)
    (folder / "wav.scp").write_text(f"long {tmp_path / 'long.wav'}\n")
    (folder / "segments").write_text("b long 0.5 1.0\na long 0.0 0.25\n")
    (folder / "text").write_text("b 你好，wifi\na 银行\n")
    (folder / "utt2spk").write_text("b s\na s\n")
    return folder


def test_items_are_utterances_in_the_order_of_their_ids(data_dir):
    data = Dataset(data_dir)
    assert len(data) == 2
    assert data.utterances == ("a", "b")
    assert [len(data[i]["speech"]) for i in range(2)] == [4000, 8000]
    assert data[0]["speech"].dtype == np.float32
    assert set(data[0]) == {"speech", "text"}
    assert Dataset(data_dir, with_ids=True)[1]["utt_id"] == "b"


@pytest.mark.parametrize(
    ("token_type", "texts"),
    [
        ("char", ["银行", "你好WIFI"]),
        ("bpe", ["银行", "你好WIFI"]),
        ("syllable_phone", ["yin2 hang2", "ni3 hao3 W AY F AY"]),
    ],
)
def test_text_is_what_espnets_tokenizers_cut_into_our_units(data_dir, token_type, texts):
    data = Dataset(data_dir, token_type=token_type)
    assert [data[i]["text"] for i in range(2)] == texts


def test_another_rate_is_an_error_that_names_the_utterance(data_dir):
    with pytest.raises(ValueError, match=r"data: a \(.*long.wav\): 16000 Hz.*sample_rate is 8000"):
        Dataset(data_dir, sample_rate=8000)[0]


def test_mistakes_are_named(data_dir, tmp_path):
    with pytest.raises(ValueError, match="token_type 'word' is not one of char"):
        Dataset(data_dir, token_type="word")
    with pytest.raises(FileNotFoundError, match="no data directory"):
        Dataset(tmp_path / "nothing")
    (tmp_path / "long.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"data: a \(.*cannot be read as audio"):
        Dataset(data_dir)[0]


def test_espnet3_finds_dataset_and_builder_by_the_modules_path():
    module = load_dataset_module("speechmoe_espnet.task.kaldi_dataset")
    assert (module.Dataset, module.DatasetBuilder) == (Dataset, DatasetBuilder)


def test_the_builder_runs_prepare_corpus_with_its_options(tmp_path, monkeypatch):
    stages = []
    monkeypatch.setattr(kaldi_dataset, "run", stages.append)
    options = {"dataset_dir": tmp_path / "corpus", "func": "of.the.template", "seed": None}
    builder = DatasetBuilder()
    assert builder.is_source_prepared(**options)
    assert not builder.is_built(**options, corpus="synthetic")
    builder.build(**options, corpus="synthetic", sets=["read", "chat"], nj=1)
    (stage,) = stages
    assert stage.target == tmp_path / "corpus"
    words = "--corpus synthetic --sets read chat --nj 1 --output_dir {out} --final_dir {final}"
    module = ("-m", "speechmoe_espnet.bin.prepare_corpus")
    assert stage.command == (sys.executable, *module, *words.split())


def test_without_a_corpus_the_folder_is_taken_as_it_is(data_dir, tmp_path):
    builder = DatasetBuilder()
    assert builder.is_built(dataset_dir=data_dir)
    missing = {"dataset_dir": Path(tmp_path / "nothing")}
    assert not builder.is_built(**missing)
    with pytest.raises(FileNotFoundError, match="set dataset_dir, or create_dataset: corpus"):
        builder.build(**missing)
