"""Our tasks in the places of ESPnet's that its commands use."""

from types import ModuleType

from espnet2.tasks import asr, lm

from speechmoe_espnet.espnet.lm_task import CheckpointedLMTask
from speechmoe_espnet.espnet.patches import replace_task
from speechmoe_espnet.espnet.task import SpeechMoEASRTask


def replace_tasks(command: str) -> None:
    """Put our tasks in the places of ESPnet's, for the rest of this process.

    Args:
        command: Module of the command, such as espnet2.bin.asr_train. Tasks that take seconds to
            import are replaced for their own commands alone.
    """
    tasks: list[tuple[ModuleType, type]] = [(asr, SpeechMoEASRTask), (lm, CheckpointedLMTask)]
    if command.rpartition(".")[2].split("_")[0] in ("slu", "st", "s2t"):
        # Before ESPnet's ASR task is replaced: that of SLU inherits it.
        from espnet2.tasks import s2t, slu, st

        from speechmoe_espnet.espnet.speech_tasks import (
            SpeechMoES2TTask,
            SpeechMoESLUTask,
            SpeechMoESTTask,
        )

        tasks += [(slu, SpeechMoESLUTask), (st, SpeechMoESTTask), (s2t, SpeechMoES2TTask)]
    for module, task in tasks:
        replace_task(module, task)
