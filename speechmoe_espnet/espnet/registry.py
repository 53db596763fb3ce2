"""Registration of SpeechMoE in ESPnet's tables: encoders, models, feature augmentation, frontends.

ESPnet's tasks are imported when something is registered, not with this module: `speechmoe_espnet`
registers as soon as a task of ESPnet has been imported, wherever that happens.
"""

from importlib import import_module
from types import ModuleType

from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from espnet2.asr.specaug.abs_specaug import AbsSpecAug
from espnet2.train.abs_espnet_model import AbsESPnetModel
from espnet2.train.class_choices import ClassChoices

from speechmoe_espnet.augment import FeatureVariation
from speechmoe_espnet.data.fbank_config import FRONTEND
from speechmoe_espnet.encoder.speechmoe_conformer import SpeechMoEConformerEncoder
from speechmoe_espnet.encoder.speechmoe_encoder import SpeechMoEEncoder
from speechmoe_espnet.espnet.kaldi_fbank import KaldiFbank
from speechmoe_espnet.espnet.model import SpeechMoEASRModel
from speechmoe_espnet.espnet.patches import check_what_is_loaded, linear_pad_masks

ENCODERS: dict[str, type] = {
    "speechmoe": SpeechMoEEncoder,
    "speechmoe_conformer": SpeechMoEConformerEncoder,
}
SPECAUGS: dict[str, type] = {"vary": FeatureVariation}
FRONTENDS: dict[str, type] = {FRONTEND: KaldiFbank}


def register(task: str = "asr") -> None:
    """Register the plug-in's names in ESPnet's tables for a task, and mend ESPnet.

    The names are those of `ENCODERS`, `SPECAUGS`, `FRONTENDS` and, where the task has a table of
    models, `speechmoe`: its model with SpeechMoE's losses.

    From then on, padding masks take memory linear in the length, and checkpoints are checked when
    they are read; see `patches`. Calling it again changes nothing.

    Args:
        task: asr, slu, s2t or st.

    Raises:
        ValueError: Where another class has taken one of the names.
        TypeError: Where a class is not what ESPnet's table holds.
    """
    register_in(import_module(f"espnet2.tasks.{task}"), _model_of(task))


def _model_of(task: str) -> type | None:
    if task == "asr":
        return SpeechMoEASRModel
    # Here: whoever recognises speech does not wait for ESPnet's models of other tasks.
    from speechmoe_espnet.espnet.speech_models import MODELS

    return MODELS[task]


def register_in(task: ModuleType, model: type | None = None) -> None:
    """Register encoders, feature augmentation and frontends in the tables of a task.

    ESPnet is mended as `register` says.

    Args:
        task: ESPnet's module of the task.
        model: The task's model with SpeechMoE's losses; None where it has no table of models.

    Raises:
        ValueError: Where another class has taken one of the names.
        TypeError: Where a class is not what ESPnet's table holds.
    """
    linear_pad_masks()
    check_what_is_loaded()
    models = {} if model is None else {"speechmoe": model}
    for table, classes, base in (
        ("encoder_choices", ENCODERS, AbsEncoder),
        ("model_choices", models, AbsESPnetModel),
        ("specaug_choices", SPECAUGS, AbsSpecAug),
        ("frontend_choices", FRONTENDS, AbsFrontend),
    ):
        for name, class_ in classes.items():
            add_choice(getattr(task, table), name, class_, base)


def add_choice(choices: ClassChoices, name: str, class_: type, base: type) -> None:
    """Add a class to one of ESPnet's tables, with the checks ESPnet makes only at its start.

    Args:
        choices: The table.
        name: The name in YAML; ESPnet looks names up in lower case.
        class_: The class.
        base: What the class must inherit.

    Raises:
        ValueError: Where another class has taken the name.
        TypeError: Where the class does not inherit `base`.
    """
    if not issubclass(class_, base):
        raise TypeError(f"{class_.__name__} must inherit {base.__name__} to be --{choices.name}")
    key = name.lower()
    taken = choices.classes.get(key)
    if taken is not None and taken is not class_:
        raise ValueError(
            f"--{choices.name} {key} is already {taken.__module__}.{taken.__qualname__}; "
            f"cannot add {class_.__module__}.{class_.__qualname__}"
        )
    choices.classes[key] = class_
