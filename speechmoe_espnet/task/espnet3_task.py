"""The task class that ESPnet3 builds models by."""

import argparse
import sys
from typing import Any

from speechmoe_espnet.espnet import task as espnet2_task
from speechmoe_espnet.espnet.registry import register

# ESPnet's own Speech2Text, which a packed model names, then finds our encoders.
register()


class SpeechMoEASRTask(espnet2_task.SpeechMoEASRTask):
    """Our task for ESPnet3: it builds the model; Lightning trains it.

    What our task does in ESPnet2's training (learning rates of routers and experts, clipping by
    group, the check of lengths, `init_param`, atomic checkpoints) `lightning_module` and
    `lightning_trainer` do here.
    """

    @classmethod
    def get_default_config(cls) -> dict[str, Any]:
        """ESPnet's defaults; those of encoders, models and the like are left to their classes.

        ESPnet3 replaces a whole `*_conf` by the user's. Where the user gives none, the options of
        ESPnet's default encoder would go to the user's encoder.
        """
        config: dict[str, Any] = super().get_default_config()
        return config | {f"{choices.name}_conf": {} for choices in cls.class_choices_list}

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> Any:
        """Build the model of a configuration, and plug into a training of ESPnet3.

        Raises:
            ValueError: As in ESPnet2.
        """
        if "espnet3.systems.base.training" in sys.modules:
            from speechmoe_espnet.task.plug_in import plug_in

            plug_in()
        return super().build_model(args)
