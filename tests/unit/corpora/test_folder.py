"""A folder of one's own: what lies there is recognised, and split where it has no split."""

import csv
from pathlib import Path

import pytest

from speechmoe_espnet.bin import prepare_corpus
from speechmoe_espnet.corpora.folder import read_folder
from speechmoe_espnet.corpora.public import prepare_public
from speechmoe_espnet.data.faults import FaultsError
from speechmoe_espnet.data.kaldi_dir import DataDir
from speechmoe_espnet.data.table import read_table

SIZES = {"train": 12, "dev": 3, "test": 3}


def pairs(folder: Path, count: int = 12) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:03}.wav").touch()
        (folder / f"{number:03}.txt").write_text(f"第{number}句\n", encoding="utf-8")


def table(path: Path, prefix: str = "", count: int = 12) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        out.writerow(["path", "text"])
        for number in range(count):
            (path.parent / f"{prefix}{number:03}.wav").touch()
            out.writerow([f"{prefix}{number:03}.wav", f"第{number}句"])


def kaldi(folder: Path, prefix: str = "", count: int = 12) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{prefix}{number:03}" for number in range(count)]
    for name in names:
        (folder / f"{name}.wav").touch()
    for file, lines in {
        "wav.scp": [f"{name} {folder}/{name}.wav" for name in names],
        "text": [f"{name} 第{name}句" for name in names],
        "utt2spk": [f"{name} {name}" for name in names],
    }.items():
        (folder / file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read(place: Path) -> dict[str, DataDir]:
    return read_folder(place, lambda _: None, skip_bad=False)[0]


@pytest.mark.parametrize("kind", ["pairs", "csv", "tsv", "kaldi"])
@pytest.mark.parametrize("split", [(), ("train",), ("train", "test"), ("train", "dev", "test")])
def test_every_kind_is_read_with_every_split(tmp_path: Path, kind: str, split) -> None:
    sizes = {name: SIZES[name] for name in split} or {"": 12}
    for name, count in sizes.items():
        if kind == "pairs":
            pairs(tmp_path / name, count)
        elif kind == "kaldi":
            kaldi(tmp_path / name, name, count)
        else:
            table(tmp_path / f"{name or 'mine'}.{kind}", name, count)
    sets = read(tmp_path)
    assert list(sets) == ["train", "dev", "test"]
    held_out = 3 - max(len(split), 1)
    assert len(sets["train"].text) == 12 - 3 * held_out
    assert [len(sets[name].text) for name in ("dev", "test")] == [3, 3]
    names = [name for data in sets.values() for name in data.text]
    assert len(set(names)) == sum(sizes.values()) == len(names)


def test_equal_names_of_two_sets_stay_two_utterances(tmp_path: Path) -> None:
    for name, count in SIZES.items():
        pairs(tmp_path / name, count)
    sets = prepare_public("folder", tmp_path, tmp_path / "out")
    assert [len(data.text) for data in sets] == [12, 3, 3]
    assert "000-test" in sets[2].text
    assert sets[2].wav_scp["000-test"] == str(tmp_path / "test/000.wav")


def test_a_table_may_be_named_itself(tmp_path: Path) -> None:
    table(tmp_path / "mine.csv")
    table(tmp_path / "other.csv")
    with pytest.raises(ValueError, match=r"several tables, mine\.csv, other\.csv; name one"):
        read(tmp_path)
    assert len(read(tmp_path / "mine.csv")["train"].text) == 6
    (tmp_path / "a.wav").touch()
    with pytest.raises(ValueError, match=r"a\.wav: a file of recordings is a \.csv or a \.tsv"):
        read(tmp_path / "a.wav")
    with pytest.raises(FileNotFoundError, match="no folder or table"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "neither recordings nor .txt files"),
        (lambda folder: pairs(folder, 9), "9 utterances are too few to hold out 3 for each of"),
        (lambda folder: kaldi(folder / "test"), "has test and no train to train on"),
        (lambda folder: table(folder / "test.csv") or table(folder / "dev.csv"), "and no train"),
        (lambda folder: (folder / "data_aishell").mkdir(), "say --corpus aishell"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, make, said: str, capsys) -> None:
    make(tmp_path)
    words = ["--corpus", "folder", "--corpus_dir", tmp_path, "--output_dir", tmp_path / "out"]
    assert prepare_corpus.main(list(map(str, words))) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_faults_are_listed_or_left_out(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "mine"
    pairs(folder, 14)
    (folder / "003.txt").unlink()
    (folder / "004.txt").write_text(" \n")
    faults = tmp_path / "faults.txt"
    words = ["--corpus", "folder", "--corpus_dir", folder, "--output_dir", tmp_path / "out"]
    words += ["--faults", faults]
    assert prepare_corpus.main(list(map(str, words))) == 1
    assert "2 faults (1 no transcript, 1 no text)" in capsys.readouterr().err
    assert len(faults.read_text().splitlines()) == 2
    assert prepare_corpus.main([*map(str, words), "--skip_bad"]) == 0
    out = capsys.readouterr().out
    assert "test and dev: held out of 12 utterances, by utterances" in out
    assert "train: 6 utterances, 6 speakers" in out
    assert read_table(tmp_path / "out/train/left_out").keys() == {"003", "004"}
    for file in folder.glob("*.txt"):
        file.unlink()
    with pytest.raises(FaultsError):
        read_folder(folder, print, skip_bad=True)


def test_sentences_of_test_that_train_has_are_told(tmp_path: Path) -> None:
    for name, count in SIZES.items():
        pairs(tmp_path / name, count)
    notes: list[str] = []
    read_folder(tmp_path, notes.append, skip_bad=False)
    assert notes == [
        "3 of 3 sentences of test are in train as well; a model makes more errors on new ones"
    ]


def test_speakers_are_folders_and_sort_first(tmp_path: Path) -> None:
    for number in range(12):
        pairs(tmp_path / f"speaker{number}", 2)
    notes: list[str] = []
    sets, _ = read_folder(tmp_path, notes.append, skip_bad=False)
    assert notes[0].endswith("held out of 24 utterances, by speakers, who are not in train")
    speakers = [set(data.utt2spk.values()) for data in sets.values()]
    assert sum(map(len, speakers)) == 12
    assert all(data.sorts_by_speaker for data in sets.values())
