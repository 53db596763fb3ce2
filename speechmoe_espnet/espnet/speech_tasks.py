"""ESPnet's tasks of understanding, translation and OWSM with the plug-in registered."""

import argparse
from typing import Any

from espnet2.tasks import s2t, slu, st

from speechmoe_espnet.espnet.patches import translation_model
from speechmoe_espnet.espnet.registry import register
from speechmoe_espnet.espnet.speech_models import SpeechMoES2TModel, SpeechMoESTModel
from speechmoe_espnet.espnet.task_base import SpeechMoETask


class SpeechMoESLUTask(SpeechMoETask, slu.SLUTask):
    """ESPnet's SLUTask with the same arguments, extended for SpeechMoE; see SpeechMoETask."""

    encoder_table = slu.encoder_choices

    @classmethod
    def register(cls) -> None:
        """Register the plug-in's names in ESPnet's tables for SLU."""
        register("slu")


class SpeechMoES2TTask(SpeechMoETask, s2t.S2TTask):
    """ESPnet's S2TTask with the same arguments, extended for SpeechMoE; see SpeechMoETask."""

    encoder_table = s2t.encoder_choices
    spoken_text = SpeechMoES2TModel.spoken_text

    @classmethod
    def register(cls) -> None:
        """Register the plug-in's names in ESPnet's tables for S2T."""
        register("s2t")


class SpeechMoESTTask(SpeechMoETask, st.STTask):
    """ESPnet's STTask with the same arguments, extended for SpeechMoE; see SpeechMoETask."""

    encoder_table = st.encoder_choices
    spoken_text = SpeechMoESTModel.spoken_text

    @classmethod
    def register(cls) -> None:
        """Register the plug-in's names in ESPnet's tables for ST."""
        register("st")

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> Any:
        """Build the model of a configuration: SpeechMoESTModel."""
        with translation_model(SpeechMoESTModel):
            return super().build_model(args)
