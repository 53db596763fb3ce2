"""Task name of ESPnet3 configurations: `task: speechmoe_espnet.task.SpeechMoEASRTask`."""

from speechmoe_espnet.espnet.task import SpeechMoEASRTask

__all__ = ["SpeechMoEASRTask"]
