import math
import re

import pytest
import torch
import yaml
from espnet2.lm.espnet_model import ESPnetLanguageModel
from espnet2.lm.seq_rnn_lm import SequentialRNNLM
from espnet2.lm.transformer_lm import TransformerLM
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.lm.neural import NeuralLM

TOKENS = TokenList.from_units("一二三四五")
LM_CONF = {"unit": 12, "nlayers": 2}
MODELS = {
    "seq_rnn": lambda: SequentialRNNLM(len(TOKENS), **LM_CONF),
    "transformer": lambda: TransformerLM(
        len(TOKENS), embed_unit=8, att_unit=8, unit=16, layer=2, dropout_rate=0.3
    ),
}
sentences = st.text("一二三四五六", max_size=12)


def model(kind, **options):
    torch.manual_seed(0)
    return NeuralLM(MODELS[kind](), TOKENS, **options)


def espnet_score(lm, text):
    """ln P as ESPnet's own model computes it, one sentence at a time."""
    wrapped = ESPnetLanguageModel(lm, len(TOKENS))
    ids = [TOKENS.tokens.index(c) if c in TOKENS.tokens else 1 for c in text]
    with torch.inference_mode():
        nll, _ = wrapped.nll(torch.tensor([ids], dtype=torch.long), torch.tensor([len(ids)]))
    return -float(nll.sum())


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=15)
@given(st.lists(sentences, min_size=1, max_size=8))
def test_batches_padding_and_order_do_not_matter(kind, texts):
    together = model(kind, batch_characters=1000).score(texts)
    assert model(kind, batch_characters=1).score(texts) == together
    assert model(kind, batch_characters=20).score(texts[::-1]) == together[::-1]
    lm = model(kind)
    for text, score in zip(texts, together, strict=True):
        assert score == pytest.approx(espnet_score(lm.lm, text), abs=1e-8)


@pytest.mark.parametrize("kind", MODELS)
def test_probabilities_of_all_sentences_sum_to_one(kind):
    """Sum over sentences of up to three tokens; the rest is the probability of longer ones."""
    units = [*TOKENS.units, "六"]
    lm = model(kind)
    texts = ["", *units, *(a + b for a in units for b in units)]
    short = sum(map(math.exp, lm.score(texts)))
    prefixes = [a + b + c for a in units for b in units for c in units]
    ids = torch.tensor([[len(TOKENS) - 1, *lm._row(p)] for p in prefixes])
    with torch.inference_mode():
        logps = lm.lm(ids, None)[0].log_softmax(-1)
    longer = logps[:, :-1].gather(2, ids[:, 1:, None])[:, :, 0].sum(1).exp().sum()
    blank = 1 - short - float(longer)  # <blank> keeps a probability, though no text has it
    assert 0 < blank < 0.5


def test_text_is_normalised_and_unknown_characters_are_unk():
    lm = model("seq_rnn")
    a, b, c, d = lm.score(["一，二 ", "一二", "一六", "一七"])
    assert a == b
    assert c == d != b


def test_perplexity_is_per_character_and_sentence_end():
    lm = model("seq_rnn")
    found = lm.perplexity(["一二", "六"])
    assert found.perplexity == pytest.approx(math.exp(-sum(lm.score(["一二", "六"])) / 5))
    assert (found.num_characters, found.num_unknown, found.num_sentences) == (3, 1, 2)
    with pytest.raises(ValueError, match="no sentences"):
        lm.perplexity([])


def test_no_texts_no_scores():
    assert model("seq_rnn").score([]) == []
    with pytest.raises(ValueError, match="batch_characters must be at least 1, got 0"):
        model("seq_rnn", batch_characters=0)


@pytest.fixture
def experiment(tmp_path):
    conf = {
        "lm": "seq_rnn",
        "lm_conf": LM_CONF,
        "model": "lm",
        "model_conf": {},
        "init": None,
        "token_type": "char",
        "token_list": list(TOKENS.tokens),
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(conf))
    torch.manual_seed(0)
    saved = ESPnetLanguageModel(MODELS["seq_rnn"](), len(TOKENS)).state_dict()
    torch.save(saved, tmp_path / "valid.loss.ave.pth")
    return tmp_path


def change(experiment, **fields):
    path = experiment / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **fields}))


def test_a_loaded_experiment_scores_like_its_model(experiment):
    assert NeuralLM.from_experiment(experiment).score(["一二"]) == model("seq_rnn").score(["一二"])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"token_type": "bpe"}, "token_type is 'bpe'; n-best lists are rescored by"),
        ({"token_list": ["a"]}, "token_list: tokens must start with <blank>"),
        ({"lm_conf": {"unit": 13, "nlayers": 2}}, "does not fit config.yaml beside it"),
        ({"lm_conf": {"unit": 12, "nlayers": 3}}, "does not fit config.yaml beside it"),
    ],
)
def test_experiments_that_do_not_fit_are_named(experiment, fields, said):
    change(experiment, **fields)
    with pytest.raises(ValueError, match=said):
        NeuralLM.from_experiment(experiment)


def test_missing_parts_are_named(experiment):
    with pytest.raises(FileNotFoundError, match=r"or name: valid\.loss\.ave\.pth"):
        NeuralLM.from_experiment(experiment, "none.pth")
    with pytest.raises(FileNotFoundError, match=r"train one with utils/train_lm\.sh"):
        NeuralLM.from_experiment(experiment / "none")
    (experiment / "config.yaml").write_text("a: 1\n")
    with pytest.raises(ValueError, match="lacks lm, token_type, token_list"):
        NeuralLM.from_experiment(experiment)


def test_a_checkpoint_that_lacks_tensors_is_refused(experiment):
    path = experiment / "valid.loss.ave.pth"
    saved = torch.load(path)
    lacking = sorted(saved)[0]
    del saved[lacking]
    torch.save(saved, path)
    with pytest.raises(ValueError, match=rf"(?s)does not fit config\.yaml.*{re.escape(lacking)}"):
        NeuralLM.from_experiment(experiment)
