"""The name that ESPnet3 configurations use: `task: speechmoe_espnet.task.SpeechMoEASRTask`."""

from speechmoe_espnet.espnet.task import SpeechMoEASRTask

__all__ = ["SpeechMoEASRTask"]
