"""Our names in ESPnet3's tables, and our Lightning module and trainer in the places of ESPnet3's.

Defect: ESPnet3 has tables of encoders and models of its own, and names its Lightning module and
trainer in code. Version: espnet 202611. Both of ours are ESPnet3's own for models of others, and
the tables are filled at the same time: who can name our encoder is trained by our module.
"""

from espnet3.systems.base import training
from espnet3.systems.esp2_asr import task as espnet3_task

from speechmoe_espnet.espnet.model import SpeechMoEASRModel
from speechmoe_espnet.espnet.registry import register, register_in
from speechmoe_espnet.task.lightning_module import SpeechMoELightningModule
from speechmoe_espnet.task.lightning_trainer import SpeechMoELightningTrainer
from speechmoe_espnet.task.plain_mistakes import tell_mistakes_in_one_line


def plug_in() -> None:
    """Make ESPnet3 know and train SpeechMoE, for the rest of this process.

    What this package refuses ends a run with one line, and so does the log of the stage.

    Calling it again changes nothing.

    Raises:
        ValueError: Where another class has taken one of the names.
    """
    register()
    register_in(espnet3_task, SpeechMoEASRModel)
    training.ESPnetLightningModule = SpeechMoELightningModule
    training.ESPnet3LightningTrainer = SpeechMoELightningTrainer
    tell_mistakes_in_one_line()
