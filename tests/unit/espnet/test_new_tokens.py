"""New tokens: old ones stay to the bit, new ones begin as those that sound alike."""

import pytest
import torch
import yaml
from models import DECODER, TOKENS, batch, build

from speechmoe_espnet.espnet.new_tokens import PENALTY, with_new_tokens
from speechmoe_espnet.espnet.upcycling import load_init_param

# 镜 has no homophone among the numerals; 午 is read as 五, 期 as 七.
GROWN = ["<blank>", "<unk>", *"一二三四五六七八九十", "镜", "午", "期", "<sos/eos>"]
SYLLABLES = ["<blank>", "<unk>", "AY", "ma1", "ma4", "yi1", "<sos/eos>"]
KINDS = pytest.mark.parametrize(
    ("old", "new"),
    [
        (TOKENS, GROWN),
        (TOKENS, ["<blank>", "<unk>", "午", *"十九八七六五四三二一", "期", "<sos/eos>"]),
        (SYLLABLES, [*SYLLABLES[:-1], "ma3", "lve4", "<sos/eos>"]),
    ],
    ids=["characters", "in another order", "syllables"],
)
HYBRID = {
    "decoder": "transformer",
    "decoder_conf": DECODER,
    "model_conf": {"ctc_weight": 0.5, "gamma": 0.01},
}


def saved(model, folder):
    """Save a model as an experiment has it."""
    torch.save(model.state_dict(), folder / "model.pth")
    (folder / "config.yaml").write_text(
        yaml.safe_dump({"token_list": list(model.token_list)}, allow_unicode=True)
    )
    return str(folder / "model.pth")


def encoded(model):
    data = batch()
    with torch.no_grad():
        out, lengths = model.eval().encode(data["speech"], data["speech_lengths"])
    return out, torch.arange(out.size(1)) < lengths.unsqueeze(1)


@KINDS
@pytest.mark.parametrize("conf", [{}, HYBRID], ids=["ctc", "hybrid"])
def test_old_tokens_stay_to_the_bit_in_every_layer(old, new, conf, tmp_path):
    first = build(token_list=old, **conf)
    torch.manual_seed(5)
    second = build(token_list=new, **conf)
    load_init_param(saved(first, tmp_path), second, False)
    places = torch.tensor([new.index(token) for token in old])
    source, loaded = first.state_dict(), second.state_dict()
    grown = [key for key in source if source[key].shape != loaded[key].shape]
    assert {"ctc.ctc_lo.weight", "ctc.ctc_lo.bias"} < set(grown)
    assert {"embedding_ctc.ctc_lo.weight", "embedding_ctc.ctc_lo.bias"} < set(grown)
    assert (
        ("decoder.embed.0.weight" in grown) == ("decoder.output_layer.bias" in grown) == bool(conf)
    )
    for key, value in loaded.items():
        kept = value.index_select(0, places) if key in grown else value
        assert torch.equal(kept, source[key]), key
    # Each logit is a scalar product of its own row.
    (out, valid), (again, _) = encoded(first), encoded(second)
    assert torch.equal(out, again)
    for head in ("ctc", "embedding_ctc"):
        ours, theirs = (getattr(model, head).ctc_lo for model in (first, second))
        data = out if head == "ctc" else torch.randn(2, 9, ours.in_features)
        logits = torch.nn.functional.linear(data, theirs.weight[places], theirs.bias[places])
        assert torch.equal(logits, ours(data))
    paths = [model.ctc.ctc_lo(out).argmax(-1)[valid] for model in (first, second)]
    assert torch.equal(places[paths[0]], paths[1]), "the best path is another"


def test_new_tokens_begin_as_those_that_sound_alike(tmp_path):
    first, second = build(token_list=TOKENS), build(token_list=GROWN)
    load_init_param(saved(first, tmp_path), second, False)
    for head in ("ctc", "embedding_ctc"):
        old, new = (getattr(model, head).ctc_lo for model in (first, second))
        for token, like in (("午", "五"), ("期", "七")):
            row, its = GROWN.index(token), TOKENS.index(like)
            assert torch.equal(new.weight[row], old.weight[its])
            assert new.bias[row].item() == pytest.approx(old.bias[its].item() - PENALTY)
        row = GROWN.index("镜")
        torch.testing.assert_close(new.weight[row], old.weight[2:-1].mean(0))
        torch.testing.assert_close(new.bias[row], old.bias[2:-1].mean() - PENALTY)


def test_fewer_or_other_tokens_are_an_error_as_before(tmp_path, caplog):
    path = saved(build(token_list=GROWN), tmp_path)
    with pytest.raises(ValueError, match=r"ctc.ctc_lo.*exclude them"):
        load_init_param(path, build(token_list=TOKENS), False)
    with pytest.raises(
        ValueError, match="3 tokens of the model are not in the new list, such as 镜"
    ):
        with_new_tokens({}, {}, GROWN, TOKENS)
    (tmp_path / "config.yaml").unlink()
    with pytest.raises(ValueError, match="exclude them"):
        load_init_param(path, build(token_list=[*GROWN[:-1], "井", "<sos/eos>"]), False)


def test_equal_tokens_load_as_they_are(tmp_path, caplog):
    first, second = build(), build()
    load_init_param(saved(first, tmp_path), second, False)
    assert "new tokens" not in caplog.text
    assert all(torch.equal(v, first.state_dict()[k]) for k, v in second.state_dict().items())
