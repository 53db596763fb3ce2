"""ESPnet's ASR task, which knows the plug-in."""

from espnet2.tasks.asr import ASRTask, encoder_choices

from speechmoe_espnet.espnet.registry import register
from speechmoe_espnet.espnet.task_base import SpeechMoETask


class SpeechMoEASRTask(SpeechMoETask, ASRTask):
    """ESPnet's ASRTask with the same arguments, extended for SpeechMoE; see SpeechMoETask."""

    encoder_table = encoder_choices

    @classmethod
    def register(cls) -> None:
        """Register the plug-in's names in ESPnet's tables for ASR."""
        register()
