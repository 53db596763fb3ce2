import gzip
import itertools
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.lm.arpa import NgramModel, read_arpa, read_sentence_model, write_arpa

SMALL = """comment

\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-99\t<s>\t-0.30103
-0.5\t</s>
-0.5\t你\t-0.1
-1e0\t好

\\2-grams:
-0.2\t<s> 你
-0.3\t你 好

\\end\\
"""
LINES = SMALL.split("\n")
NUMBERS = st.floats(-98, 0).map(lambda value: round(value, 7))
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=3).filter(
    lambda word: word.split() == [word]
)


@st.composite
def models(draw):
    words = draw(st.lists(WORDS, min_size=1, max_size=5, unique=True))
    order = draw(st.integers(1, 4))
    ngrams = {}
    level = [(word,) for word in words]
    for length in range(1, order + 1):
        last = length == order
        for ngram in level:
            ngrams[ngram] = (draw(NUMBERS), 0.0 if last else -draw(NUMBERS))
        if not last:
            longer = [(*ngram, word) for ngram in level for word in words]
            level = draw(st.lists(st.sampled_from(longer), min_size=1, max_size=6, unique=True))
    return NgramModel(order, ngrams)


@given(models(), st.sampled_from(["lm.arpa", "lm.arpa.gz"]))
def test_round_trip(model, name):
    with tempfile.TemporaryDirectory() as folder:
        write_arpa(Path(folder) / name, model)
        read = read_arpa(Path(folder) / name)
    assert read.order == model.order
    assert list(read.ngrams) == list(model.ngrams)
    for ngram, numbers in model.ngrams.items():
        assert read.ngrams[ngram] == pytest.approx(numbers, abs=1e-7)


@given(models())
def test_other_parsers_read_the_same(model):
    from kaldingram.prune import ArpaParser

    with tempfile.TemporaryDirectory() as folder:
        write_arpa(Path(folder) / "lm.arpa", model)
        arpa = ArpaParser().loadf(Path(folder) / "lm.arpa", encoding="utf-8")[0]
    assert tuple(count for _, count in arpa.counts()) == model.counts()
    for ngram in model.ngrams:
        assert arpa.log_p_raw(ngram) == pytest.approx(model.log10_prob(ngram), abs=1e-6)


@given(st.integers(0, len(LINES) - 2))
def test_a_truncated_file_is_never_accepted(end):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lm.arpa"
        path.write_text("\n".join(LINES[:end]).removesuffix("\\end\\"), encoding="utf-8")
        with pytest.raises(ValueError, match=r"lm\.arpa:\d+: .*"):
            read_arpa(path)


@given(st.integers(2, len(LINES) - 2), st.text("\\1 -.\t你好ngram=", min_size=1, max_size=8))
def test_an_extra_line_is_an_error_at_that_line_or_later(place, line):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lm.arpa"
        path.write_text("\n".join([*LINES[:place], line, *LINES[place:]]), encoding="utf-8")
        if place == 2 or not line.strip(" \t\r"):
            assert read_arpa(path).counts() == (4, 2)
            return
        with pytest.raises(ValueError, match=r"lm\.arpa:\d+: ") as raised:
            read_arpa(path)
    number = int(str(raised.value).removeprefix(f"{path}:").split(":")[0])
    assert number >= place + 1 or "announces" in str(raised.value)


def test_file_of_another_tool(tmp_path):
    (tmp_path / "lm.arpa").write_text(SMALL, encoding="utf-8")
    model = read_arpa(tmp_path / "lm.arpa")
    assert (model.order, model.counts()) == (2, (4, 2))
    assert next(iter(model.entries())) == (("<s>",), -99.0, -0.30103)
    assert model.ngrams["好",] == (-1.0, 0.0)
    spaces = SMALL.replace("\t", " ").replace("\n", "\r\n")
    (tmp_path / "spaces.arpa").write_text(spaces, encoding="utf-8", newline="")
    assert read_arpa(tmp_path / "spaces.arpa") == model
    (tmp_path / "lm.arpa.gz").write_bytes(gzip.compress(SMALL.encode()))
    assert read_arpa(tmp_path / "lm.arpa.gz") == model


def test_probability_backs_off(tmp_path):
    (tmp_path / "lm.arpa").write_text(SMALL, encoding="utf-8")
    model = read_arpa(tmp_path / "lm.arpa")
    assert model.log10_prob(("<s>", "你")) == -0.2
    assert model.log10_prob(("好", "<s>", "好")) == pytest.approx(-1.30103)
    assert model.log10_prob(("好", "你")) == -0.5
    assert model.log10_prob(("无", "你")) == -0.5
    with pytest.raises(KeyError, match="无"):
        model.log10_prob(("你", "无"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\data\\", "data", r":18: the file ends before \\end\\; it is cut off or not an ARPA"),
        ("ngram 1=4\nngram 2=2\n", "", r":5: no line `ngram 1=COUNT`"),
        ("ngram 1=4\n", "", r":4: expected the count of order 1, got ngram 2=2"),
        ("ngram 2=2", "ngram 2=3", r":15: \\data\\ announces 3 2-grams, the file has 2"),
        ("ngram 1=4", "ngram 1=5", r":11: \\data\\ announces 5 1-grams, the file has 4"),
        ("\\1-grams:", "\\2-grams:", r":7: expected \\1-grams:, got '\\\\2-grams:'"),
        ("\\end\\", "\\3-grams:", r":17: expected \\end\\ after 2 orders"),
        ("-0.3\t你 好", "-0.3\t你", r":15: expected probability, 2 words"),
        ("-0.3\t你 好", "-0.3\t你 好\t-1\t2", r":15: expected probability, 2 words"),
        ("-0.3\t你 好", "-0.3\t你 好 你", r":15: not a number"),
        ("-0.3\t你 好", "x\t你 好", r":15: not a number in 'x"),
        ("-0.3\t你 好", "nan\t你 好", r":15: log10 probability must be finite"),
        ("-0.3\t你 好", "0.3\t你 好", r":15: log10 probability must be finite and at most 0"),
        ("-0.3\t你 好", "-0.3\t你 好\t-1", r":15: an n-gram of the highest order"),
        ("你\t-0.1", "你\tinf", r":10: .* back-off finite"),
        ("-0.3\t你 好", "-0.3\t<s> 你", r":15: n-gram <s> 你 occurs twice"),
        ("-0.3\t你 好", "-0.3\t你 他", r":15: n-gram 你 他 lacks n-gram 他"),
        ("-0.3\t你 好", "-0.3\t他 好", r":15: n-gram 他 好 lacks n-gram 他"),
    ],
)
def test_malformed_files_are_named_with_the_line(old, new, message, tmp_path):
    assert SMALL.count(old) == 1
    (tmp_path / "lm.arpa").write_text(SMALL.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=r"lm\.arpa" + message):
        read_arpa(tmp_path / "lm.arpa")


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere"):
        read_arpa(tmp_path / "nowhere")
    (tmp_path / "lm.arpa").write_bytes(SMALL.encode("gb18030"))
    with pytest.raises(ValueError, match=r"lm\.arpa:10: not UTF-8"):
        read_arpa(tmp_path / "lm.arpa")
    (tmp_path / "lm.arpa.gz").write_bytes(gzip.compress(SMALL.encode())[:-20])
    with pytest.raises(ValueError, match="not a complete gzip file"):
        read_arpa(tmp_path / "lm.arpa.gz")


def test_numbers_keep_seven_decimals(tmp_path):
    model = NgramModel(1, {("a",): (math.log10(0.25), 0.0), ("b",): (math.log10(0.75), 0.0)})
    write_arpa(tmp_path / "lm.arpa", model)
    content = (tmp_path / "lm.arpa").read_text(encoding="utf-8")
    assert content == (
        "\\data\\\nngram 1=2\n\n\\1-grams:\n-0.6020600\ta\n-0.1249387\tb\n\n\\end\\\n"
    )


WORDS_OF_SENTENCES = ["<s>", "你", "好", "</s>"]


@pytest.mark.parametrize("order", [2, 3])
def test_sentences_begin_and_end_at_their_ends_alone(order, tmp_path):
    levels = [list(itertools.product(WORDS_OF_SENTENCES, repeat=n + 1)) for n in range(order)]
    whole = {ngram: (-1.0, 0.0) for level in levels[:-1] for ngram in level if _is_of_one(ngram)}
    write_arpa(tmp_path / "lm.arpa", NgramModel(order - 1, whole))
    assert read_sentence_model(tmp_path / "lm.arpa").ngrams == whole
    for ngram in levels[-1]:
        parts = {ngram[i:j]: (-1.0, 0.0) for i in range(order) for j in range(i + 1, order + 1)}
        parts |= {(word,): (-1.0, 0.0) for word in WORDS_OF_SENTENCES}
        ngrams = dict(sorted(parts.items(), key=lambda item: len(item[0])))
        write_arpa(tmp_path / "lm.arpa", NgramModel(order, ngrams))
        if _is_of_one(ngram):
            assert len(read_sentence_model(tmp_path / "lm.arpa").ngrams) == len(ngrams)
        else:
            with pytest.raises(ValueError, match=r"lm\.arpa: n-gram `.*` has <s> after its first"):
                read_sentence_model(tmp_path / "lm.arpa")


def _is_of_one(ngram):
    """Whether an n-gram may be part of one sentence."""
    return "<s>" not in ngram[1:] and "</s>" not in ngram[:-1]
