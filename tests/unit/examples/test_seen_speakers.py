"""New sentences by speakers of training, or by those of dev."""

import runpy
from pathlib import Path

import pytest

from speechmoe_espnet.corpora.synthetic.presets import STYLES
from speechmoe_espnet.corpora.synthetic.randomness import partition_of
from speechmoe_espnet.data.kaldi_dir import validate_data_dir
from speechmoe_espnet.data.segmentation import segment
from speechmoe_espnet.data.text_norm import normalize_text

EXAMPLE = Path(__file__).parents[3] / "examples/seen_speakers.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A set of seen speakers, and one of unseen ones."""
    main = runpy.run_path(str(EXAMPLE))["main"]
    found = {}
    for voices in ("train", "dev"):
        out = tmp_path_factory.mktemp(voices)
        words = ["--voices", voices, "--utts", "2", "--preset", "tiny", "--output_dir", str(out)]
        assert main(words) == 0
        found[voices] = validate_data_dir(out / "dev")
    return found


def test_sentences_are_those_of_dev_in_both(made):
    heard, unheard = (sorted(made[voices].text.values()) for voices in ("train", "dev"))
    assert heard == unheard
    assert len(heard) == 2 * len(STYLES)
    read = [text for utt, text in made["train"].text.items() if utt.startswith("read")]
    assert {partition_of(normalize_text(text)) for text in read} == {"dev"}


def test_voices_are_those_asked_for(made):
    for voices, data in made.items():
        assert {name.split("_")[1][: len(voices)] for name in data.utt2spk.values()} == {voices}


@pytest.mark.parametrize("pieces", ["words", "characters"])
def test_shuffling_keeps_each_style_s_pieces_and_each_sentence_s_number(tmp_path, made, pieces):
    main = runpy.run_path(str(EXAMPLE))["main"]
    words = ["--voices", "dev", "--shuffle", pieces, "--utts", "2", "--preset", "tiny"]
    assert main([*words, "--output_dir", str(tmp_path)]) == 0
    shuffled = validate_data_dir(tmp_path / "dev").text
    plain = {utt: normalize_text(text) for utt, text in made["dev"].text.items()}
    assert shuffled.keys() == plain.keys()
    assert shuffled != plain
    for style in STYLES:
        of_style = [utt for utt in plain if utt.startswith(f"{style}_")]
        before, after = ("".join(texts[utt] for utt in of_style) for texts in (plain, shuffled))
        assert sorted(before) == sorted(after)
    if pieces == "characters":
        assert {utt: len(text) for utt, text in shuffled.items()} == {
            utt: len(text) for utt, text in plain.items()
        }
    else:
        before, after = (
            {word for text in texts.values() for word in segment(text) if len(word) > 1}
            for texts in (plain, shuffled)
        )
        assert len(before & after) > len(before) / 2


def test_wrong_options_are_errors(tmp_path, capsys):
    main = runpy.run_path(str(EXAMPLE))["main"]
    words = ["--voices", "dev", "--preset", "huge", "--output_dir", str(tmp_path)]
    assert main(words) == 1
    assert "preset must be one of" in capsys.readouterr().err
