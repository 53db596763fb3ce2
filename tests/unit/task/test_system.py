import pytest
from omegaconf import OmegaConf

pytest.importorskip("lightning", reason="needs the packages of the extra espnet3")

from espnet3.systems.esp2_asr.system import ASRSystem
from espnet3.systems.esp2_asr.task import encoder_choices, model_choices, specaug_choices

from speechmoe_espnet.data.tokens import TokenList
from speechmoe_espnet.task.system import SpeechMoEASRSystem


@pytest.fixture
def system(tmp_path):
    def make(**tokenizer):
        config = OmegaConf.create(
            {"exp_dir": str(tmp_path / "exp"), "tokenizer": tokenizer or None}
        )
        return SpeechMoEASRSystem(training_config=OmegaConf.create(config))

    return make


@pytest.fixture
def section(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "text").write_text("a 银行\nb 你好\n", encoding="utf-8")
    paths = {"save_path": str(tmp_path / "units"), "train_dir": str(tmp_path / "train")}
    return {"token_type": "syllable_phone", **paths}


def test_the_system_has_espnet3s_stages():
    names = [spec.name for spec in SpeechMoEASRSystem.stages]
    assert names == [spec.name for spec in ASRSystem.stages]


def test_the_system_puts_our_names_into_espnet3s_tables():
    assert {"speechmoe", "speechmoe_conformer"} <= set(encoder_choices.classes)
    assert "speechmoe" in model_choices.classes
    assert "vary" in specaug_choices.classes


def test_units_are_made_once_and_anew_for_another_text(system, section, tmp_path, capfd):
    found = system(**section)
    found.train_tokenizer()
    tokens = tmp_path / "units" / "tokens.txt"
    assert TokenList.load(tokens).units == ("hang2", "hao3", "ni3", "yin2")
    capfd.readouterr()
    found.train_tokenizer()
    assert "up to date" in capfd.readouterr().out
    (tmp_path / "train" / "text").write_text("a 你好\n", encoding="utf-8")
    found.train_tokenizer()
    assert TokenList.load(tokens).units == ("hao3", "ni3")


def test_training_asks_for_units_every_time(system, section):
    assert not system(**section)._has_tokenizer()


def test_a_section_without_token_type_is_espnet3s(system, monkeypatch):
    called = []
    monkeypatch.setattr(ASRSystem, "train_tokenizer", lambda self: called.append(self))
    found = system(model_type="bpe", save_path="nowhere")
    found.train_tokenizer()
    assert called == [found]
    assert not found._has_tokenizer()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"token_type": "phone"}, "token_type 'phone' is not one of char, bpe, syllable_phone"),
        ({"vocab": 3}, "unknown key 'vocab'; allowed: token_type"),
        ({"trian_dir": "x"}, "unknown key 'trian_dir'; did you mean train_dir"),
        ({"train_dir": None}, "train_dir is missing"),
        ({"save_path": None}, "save_path is missing"),
    ],
)
def test_mistakes_are_named(system, section, change, message):
    with pytest.raises(ValueError, match=f"^tokenizer: {message}"):
        system(**section | change).train_tokenizer()


def test_a_missing_section_is_named(system):
    with pytest.raises(ValueError, match=r"^tokenizer: missing; give token_type"):
        system().train_tokenizer()


def test_the_stage_takes_no_arguments(system, section):
    with pytest.raises(TypeError, match="does not accept arguments"):
        system(**section).train_tokenizer(1)
