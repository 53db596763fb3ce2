"""Model cards: what they must say, and the results with the commands behind them."""

import json
from pathlib import Path

import pytest
import yaml
from fake_experiment import make_experiment, make_references

from speechmoe_espnet.zoo.model_card import NOT_STATED, CardFacts, model_card
from speechmoe_espnet.zoo.packed_results import Results, read_results

CONF = {
    "encoder": "speechmoe",
    "encoder_conf": {"moe_conf": {"num_experts": 4}},
    "decoder": None,
    "token_list": ["<blank>", "一", "<sos/eos>"],
    "token_type": "char",
    "frontend": "kaldi_fbank",
    "frontend_conf": {"fs": 8000, "num_mel_bins": 40},
}
FACTS = CardFacts("mine", "Apache-2.0", "Two hours of speech.", "egs/mix/asr1")


@pytest.fixture
def decoded(tmp_path: Path) -> Path:
    make_references(tmp_path / "refs", ("read", "chat"))
    make_experiment(
        tmp_path / "exp",
        tmp_path / "refs",
        ("read", "chat"),
        error_rate=0.2,
        decode="wfst",
        decoding={"method": "wfst", "lm_weight": 0.8, "insertion_bonus": 0.5},
    )
    folder = tmp_path / "exp/decode_wfst"
    for target, command in (
        (folder, "python -m decode --output_dir {out}"),
        (folder / "read/score", "python -m score --output_dir {out}"),
    ):
        mark = {"command": command.split(), "commit": "abc"}
        (target / ".done.json").write_text(json.dumps(mark))
    return folder


def test_a_card_says_what_and_whence_and_how(decoded: Path) -> None:
    card = model_card(FACTS, CONF, "valid.loss.ave.pth", read_results([decoded]), words=True)
    _, head, text = card.split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "apache-2.0"
    assert yaml.safe_load(head)["library_name"] == "espnet"
    for heading in ("# mine", "## Data", "## Licence", "## Results", "## How to load"):
        assert f"\n{heading}\n" in text
    rate = json.loads((decoded / "read/score/cer.json").read_text())
    assert f"| wfst | read | {rate['num_utts']} | CER | {rate['cer']:.2f} |" in text
    assert text.count("| wfst | ") == 2
    assert "    python -m decode --output_dir decode_wfst\n" in text
    assert "    python -m score --output_dir read/score\n" in text
    assert "egs/mix/asr1" in text
    assert "lm_weight 0.8" in text
    assert "Commit: abc." in text
    assert "8000 Hz" in text
    assert "1.15 M, of which a frame uses 0.23 M" in text or "0.23 M" in text
    assert 'Speech2Text.from_pretrained("mine.zip")' in text
    assert "Speech2Text(**found, ctc_weight=1.0)" in text


def test_what_is_not_known_is_said() -> None:
    facts = CardFacts("mine", NOT_STATED, "Unknown.", "here")
    conf = {**CONF, "decoder": "transformer", "frontend": "default"}
    card = model_card(facts, conf, "x.pth", Results(), words=False)
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "other"
    assert "None were given" in card
    assert "ctc_weight" not in card


def test_a_decoding_without_scores_is_refused(decoded: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"--decode_dirs: no folder .*nope"):
        read_results([tmp_path / "nope"])
    for path in decoded.glob("*/score/cer.json"):
        path.unlink()
    with pytest.raises(ValueError, match="no set of it is scored"):
        read_results([decoded])
