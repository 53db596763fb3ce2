import hashlib
import json

import pytest

from speechmoe_espnet.lm import ngram
from speechmoe_espnet.lm.arpa import read_arpa
from speechmoe_espnet.lm.ngram import NgramOptions, train_ngram
from speechmoe_espnet.lm.vocabulary import Vocabulary

TRAIN = "今天去银行\n明天去银行，今天去\n今天天气好\n明天天气不好\n打开KTV\n" * 2 + "银行关门了\n"
DEV = "u1 今天去外国银行\nu2 明天KTV\n"


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "plain").write_text(TRAIN, encoding="utf-8")
    (tmp_path / "text").write_text(DEV, encoding="utf-8")
    return tmp_path / "plain", tmp_path / "text"


def test_written_files(texts, tmp_path):
    plain, dev = texts
    options = NgramOptions(order=3, min_count=2, prune_threshold=1e-3, keep_unpruned=True)
    phases = []
    facts = train_ngram([plain], dev, options, tmp_path / "lm", phases.append)
    assert len(phases) == ngram.PHASES
    assert sorted(path.name for path in (tmp_path / "lm").iterdir()) == sorted(
        [ngram.PRUNED, ngram.UNPRUNED, ngram.VOCABULARY, ngram.FACTS]
    )
    assert json.loads((tmp_path / "lm" / ngram.FACTS).read_text(encoding="utf-8")) == facts
    assert list(facts["seconds"]) == phases
    assert facts["sources"] == [
        {"path": str(plain), "sha256": hashlib.sha256(TRAIN.encode()).hexdigest()}
    ]

    unpruned = read_arpa(tmp_path / "lm" / ngram.UNPRUNED)
    pruned = read_arpa(tmp_path / "lm" / ngram.PRUNED)
    assert facts["unpruned"]["ngrams"] == list(unpruned.counts())
    assert facts["pruned"]["ngrams"] == list(pruned.counts())
    assert sum(pruned.counts()) < sum(unpruned.counts())
    vocabulary = Vocabulary.read(tmp_path / "lm" / ngram.VOCABULARY)
    words = {n[0] for n in pruned.ngrams if len(n) == 1}
    assert words == {*vocabulary.counts, "<s>", "</s>", "<unk>"}
    assert "银行" in words
    assert set("关门银K") <= words
    assert "关门" not in words
    assert facts["unseen_characters"] == len(vocabulary.unseen) > 0


def test_development_text_is_measured(texts, tmp_path):
    plain, dev = texts
    facts = train_ngram(
        [plain], dev, NgramOptions(order=2, min_count=2, prune_threshold=0), tmp_path / "lm"
    )
    assert facts["dev"]["words_split"] == 1
    assert facts["dev"]["words"] == 6
    assert facts["dev"]["tokens"] == 7
    assert facts["dev"]["oov_rate"] == pytest.approx(2 / 7, abs=1e-6)
    assert facts["pruned"] == facts["unpruned"]
    own = train_ngram(
        [plain], plain, NgramOptions(order=2, min_count=2, prune_threshold=0), tmp_path / "own"
    )
    assert own["dev"]["oov_rate"] == 0
    assert 1 < own["pruned"]["perplexity"] < facts["pruned"]["perplexity"]
    assert own["pruned"]["perplexity_per_character"] < own["pruned"]["perplexity"]
    coarse = NgramOptions(order=2, prune_threshold=0.05)
    worse = train_ngram([plain], plain, coarse, tmp_path / "coarse")
    assert worse["pruned"]["perplexity"] > own["pruned"]["perplexity"]


def test_characters(texts, tmp_path):
    plain, dev = texts
    facts = train_ngram([plain], dev, NgramOptions("char", 3, min_count=3), tmp_path / "lm")
    model = read_arpa(tmp_path / "lm" / ngram.PRUNED)
    assert all(
        len(word) == 1 or word in ("<s>", "</s>", "<unk>") for n in model.ngrams for word in n
    )
    assert facts["pruned"]["perplexity"] == facts["pruned"]["perplexity_per_character"]
    assert facts["unseen_characters"] == 0


def test_the_same_text_gives_the_same_model(texts, tmp_path):
    plain, dev = texts
    contents = []
    for name in ("first", "second"):
        train_ngram([plain], dev, NgramOptions(), tmp_path / name)
        contents.append(
            [(tmp_path / name / part).read_bytes() for part in (ngram.PRUNED, ngram.VOCABULARY)]
        )
    assert contents[0] == contents[1]


def test_a_model_with_wrong_sums_is_an_error(texts, tmp_path, monkeypatch):
    plain, dev = texts
    right = ngram.to_model

    def wrong(arpa):
        model = right(arpa)
        return type(model)(model.order, {**model.ngrams, ("去",): (-0.1, 0.0)})

    monkeypatch.setattr(ngram, "to_model", wrong)
    with pytest.raises(ValueError, match="from summing up to 1"):
        train_ngram([plain], dev, NgramOptions(order=2), tmp_path / "lm")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (NgramOptions(order=6), "order must be from 1 to 5, got 6"),
        (NgramOptions(min_count=0), "min_count must be at least 1, got 0"),
        (NgramOptions(prune_threshold=-1), "prune_threshold must be .* got -1"),
        (NgramOptions(level="bpe"), "level must be one of word, char; got 'bpe'"),
    ],
)
def test_wrong_options_are_named_before_work_begins(options, message, texts, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("text was estimated with options that are wrong")

    monkeypatch.setattr(ngram, "estimate", never)
    with pytest.raises(ValueError, match=message):
        train_ngram([texts[0]], texts[1], options, tmp_path / "lm")
    assert not (tmp_path / "lm").exists()
