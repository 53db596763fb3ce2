"""Sets whose files name different utterances never train, whichever file lacks which."""

import sys
from argparse import Namespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speechmoe_espnet.espnet.data_files import entries, utterances
from speechmoe_espnet.espnet.set_check import check_sets

ANY = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
FILES = ("feats.scp", "text", "speech_shape", "text_shape")
UTTERANCES = [f"utt{number:02d}" for number in range(40)]


def args_for(folder, num_tokens=13, **files):
    """Arguments whose sets have the utterances of `files`, by part and name; all by default."""
    args = {"token_list": ["t"] * num_tokens}
    for part in ("train", "valid"):
        (folder / part).mkdir(exist_ok=True)
        for name in FILES:
            utterances = files.get(f"{part}_{name.partition('.')[0]}", UTTERANCES)
            lines = [f"{utt} 90,13\n" for utt in utterances]
            (folder / part / name).write_text("".join(lines))
        data = [("feats.scp", "speech", "kaldi_ark"), ("text", "text", "text")]
        args[f"{part}_data_path_and_name_and_type"] = [
            (str(folder / part / name), *kind) for name, *kind in data
        ]
        args[f"{part}_shape_file"] = [str(folder / part / name) for name in FILES[2:]]
    return Namespace(**args)


def test_counts_of_whole_sets_are_printed(tmp_path, capsys):
    check_sets(args_for(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        "train: 40 utterances",
        "valid: 40 utterances",
    ]
    for name in FILES:
        assert f"{tmp_path}/train/{name} 40" in lines[0]
    check_sets(args_for(tmp_path), quiet=True)
    assert capsys.readouterr().out == ""


@ANY
@given(
    part=st.sampled_from(["train", "valid"]),
    file=st.sampled_from(["feats", "text", "speech_shape", "text_shape"]),
    gone=st.sets(st.sampled_from(UTTERANCES), min_size=1),
    renamed=st.booleans(),
)
def test_every_difference_is_refused(tmp_path, part, file, gone, renamed):
    left = [f"{utt}x" if utt in gone else utt for utt in UTTERANCES if renamed or utt not in gone]
    args = args_for(tmp_path, **{f"{part}_{file}": left})
    with pytest.raises(ValueError, match=rf"\A{part}: the files name different") as error:
        check_sets(args)
    message = str(error.value)
    assert "\n" not in message
    name = next(name for name in FILES if name.startswith(file))
    assert f"{tmp_path}/{part}/{name} {len(left)}" in message
    assert f"{name} lacks {len(gone)}" in message
    assert sorted(gone)[0] in message
    assert "stages 2 to 4" in message


def test_half_of_feats_scp(tmp_path):
    with pytest.raises(ValueError, match=r"feats\.scp 20, .*text 40, .* 20 are not in all"):
        check_sets(args_for(tmp_path, train_feats=UTTERANCES[::2]))


def test_shapes_of_a_job_that_collects_statistics_are_its_list_alone(tmp_path):
    args = args_for(tmp_path, train_speech_shape=UTTERANCES[:3], train_text_shape=UTTERANCES[:3])
    check_sets(args, with_shapes=False)
    with pytest.raises(ValueError, match="name different"):
        check_sets(args)
    args = args_for(tmp_path, train_feats=UTTERANCES[:3])
    with pytest.raises(ValueError, match="name different"):
        check_sets(args, with_shapes=False)


def test_shapes_for_other_units_are_refused(tmp_path):
    with pytest.raises(ValueError, match="made for 13 units, but token_list has 14"):
        check_sets(args_for(tmp_path, num_tokens=14))


@ANY
@given(part=st.sampled_from(["train", "valid"]), wrong=st.sampled_from(UTTERANCES))
def test_shapes_of_one_utterance_for_other_units_are_refused(tmp_path, part, wrong):
    args = args_for(tmp_path)
    file = tmp_path / part / "text_shape"
    file.write_text(file.read_text().replace(f"{wrong} 90,13", f"{wrong} 90,14"))
    with pytest.raises(ValueError, match=f"{wrong}: made for 14 units, but token_list has 13"):
        check_sets(args)


def test_tokens_are_the_lines_of_their_file(tmp_path):
    args = args_for(tmp_path)
    tokens = [*"abcdefgh", "\u2028", "\x85", "\x0b", "\x1c", "i"]
    args.token_list = str(tmp_path / "tokens.txt")
    (tmp_path / "tokens.txt").write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    check_sets(args)


@ANY
@given(
    part=st.sampled_from(["train", "valid"]),
    file=st.sampled_from(FILES),
    twice=st.sampled_from(UTTERANCES),
    after=st.integers(0, len(UTTERANCES)),
)
def test_an_utterance_that_is_there_twice_is_refused(tmp_path, part, file, twice, after):
    args = args_for(tmp_path)
    lines = (tmp_path / part / file).read_text().splitlines(keepends=True)
    lines.insert(after, f"{twice} 91,13\n")
    (tmp_path / part / file).write_text("".join(lines))
    with pytest.raises(ValueError, match=rf"\A{tmp_path}/{part}/{file}\S*: duplicate id {twice}"):
        check_sets(args)


def test_splits_that_share_an_utterance_are_refused(tmp_path):
    (tmp_path / "num_splits").write_text("2\n")
    for number in (1, 2):
        (tmp_path / f"split.{number}").write_text(f"utt{number} 90\nshared 90\n")
    for read in (entries, utterances):
        with pytest.raises(ValueError, match=r"split\.2: duplicate id shared; "):
            read(tmp_path)


def test_splits_of_multiple_iterators_are_one_set(tmp_path):
    args = args_for(tmp_path)
    folder = tmp_path / "splits"
    folder.mkdir()
    (folder / "num_splits").write_text("2\n")
    for number in (1, 2):
        lines = [f"{utt} 90,13\n" for utt in UTTERANCES[number - 1 :: 2]]
        (folder / f"split.{number}").write_text("".join(lines))
    args.train_shape_file[0] = str(folder)
    check_sets(args)
    (folder / "num_splits").write_text("1\n")
    with pytest.raises(ValueError, match=r"splits lacks 20"):
        check_sets(args)


@pytest.mark.parametrize("command", ["asr_train", "run"])
@pytest.mark.parametrize("part", ["train", "valid"])
def test_training_commands_refuse_in_one_line(tmp_path, command, part, monkeypatch, capsys):
    """Our command, and ESPnet's with our task in its place; before a model is built."""
    from speechmoe_espnet.bin import asr_train
    from speechmoe_espnet.espnet.task import SpeechMoEASRTask

    args = args_for(tmp_path, **{f"{part}_feats": UTTERANCES[:20]})
    words = ["--output_dir", str(tmp_path / "exp"), "--ngpu", "0", "--input_size", "13"]
    (tmp_path / "tokens.txt").write_text("t\n" * 13)
    words += ["--token_list", str(tmp_path / "tokens.txt"), "--encoder", "conformer"]
    for name in ("train", "valid"):
        for data in getattr(args, f"{name}_data_path_and_name_and_type"):
            words += [f"--{name}_data_path_and_name_and_type", ",".join(data)]
        for shape in getattr(args, f"{name}_shape_file"):
            words += [f"--{name}_shape_file", shape]
    if command == "asr_train":
        assert asr_train.main(words) == 1
        # ESPnet prints its command line first.
        _, error = capsys.readouterr().err.strip().split("\n")
        assert error.startswith(f"asr_train: error: {part}: the files name different utterances")
    else:
        monkeypatch.setattr(sys, "argv", ["asr_train", *words])
        with pytest.raises(ValueError, match=f"{part}: the files name different utterances"):
            SpeechMoEASRTask.main()
    assert not (tmp_path / "exp").exists()
