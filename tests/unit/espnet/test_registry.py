import subprocess
import sys

import pytest
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.tasks.asr import encoder_choices, model_choices, specaug_choices
from espnet2.train.class_choices import ClassChoices

from speechmoe_espnet.augment import FeatureVariation
from speechmoe_espnet.encoder.speechmoe_encoder import SpeechMoEEncoder
from speechmoe_espnet.espnet.model import SpeechMoEASRModel
from speechmoe_espnet.espnet.registry import add_choice, register


def test_register_adds_everything_and_may_be_repeated():
    register()
    before = dict(encoder_choices.classes)
    register()
    assert encoder_choices.classes == before
    assert encoder_choices.get_class("speechmoe") is SpeechMoEEncoder
    assert model_choices.get_class("speechmoe") is SpeechMoEASRModel
    assert "speechmoe_conformer" in encoder_choices.choices()
    assert specaug_choices.get_class("vary") is FeatureVariation


def test_a_name_taken_by_another_class_is_an_error():
    choices = ClassChoices("encoder", {"speechmoe": dict})
    with pytest.raises(ValueError, match=r"speechmoe is already builtins\.dict"):
        add_choice(choices, "speechmoe", SpeechMoEEncoder, AbsEncoder)
    assert choices.classes == {"speechmoe": dict}


def test_a_class_of_the_wrong_kind_is_an_error():
    with pytest.raises(TypeError, match="dict must inherit AbsEncoder"):
        add_choice(ClassChoices("encoder", {}), "wrong", dict, AbsEncoder)


def test_names_are_kept_in_lower_case():
    choices = ClassChoices("encoder", {})
    add_choice(choices, "SpeechMoE", SpeechMoEEncoder, AbsEncoder)
    assert choices.get_class("speechmoe") is SpeechMoEEncoder


@pytest.mark.parametrize("first", ["espnet.registry", "espnet.patches"])
def test_names_are_there_once_the_task_is_imported_whatever_comes_first(first):
    """The registry imports no task, or it would be asked to register while it is half imported."""
    code = (
        f"import sys, speechmoe_espnet.{first}\n"
        "assert 'espnet2.tasks.asr' not in sys.modules\n"
        "from espnet2.bin.asr_inference import Speech2Text\n"
        "from espnet2.tasks import asr\n"
        "print('kaldi_fbank' in asr.frontend_choices.classes)\n"
        "print('speechmoe' in asr.encoder_choices.classes)\n"
        "assert 'espnet2.tasks.slu' not in sys.modules\n"
        "from espnet2.tasks import s2t, slu, st\n"
        "assert slu.model_choices.classes['speechmoe'].__name__ == 'SpeechMoESLUModel'\n"
        "assert s2t.model_choices.classes['speechmoe'].__name__ == 'SpeechMoES2TModel'\n"
        "for task in (s2t, slu, st):\n"
        "    assert {'speechmoe', 'speechmoe_conformer'} <= set(task.encoder_choices.classes)\n"
        "    assert 'vary' in task.specaug_choices.classes\n"
        "    assert 'kaldi_fbank' in task.frontend_choices.classes"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout.split()) == (0, ["True", "True"]), run.stderr
