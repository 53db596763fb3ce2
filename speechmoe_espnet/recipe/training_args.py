"""Arguments of a training: its data, and its length from preset, configuration and user."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.recipe.directories import Directories
from speechmoe_espnet.recipe.recipe_options import BPE, DEV, SYLLABLE_PHONE, Options

# At most, whatever the configuration says: --preset tiny shows that all works.
TINY_EPOCHS, TINY_ITERATIONS = 2, 4
ESPNET_EPOCHS = 40

# What the main job adds to its configurations, by preset. More speech wants more steps, and more
# steps more variation and, also for static, a higher rate: one seed of grids/effect.yaml.
MAIN_JOB_ARGS = {
    "tiny": "",
    "small": "",
    "medium": "--max_epoch 30 --scheduler_conf max_steps=9000 --optim_conf lr=0.008 "
    "--specaug_conf channel=4.0 --specaug_conf num_freq_masks=2 --specaug_conf freq_mask_width=8",
    "large": "",
}


def length_args(config: Path, args: Sequence[str], *, tiny: bool) -> list[str]:
    """Return arguments of asr_train that say how long the training is.

    They follow the user's own and repeat what holds anyway, but for `tiny`. So the command names
    the number of epochs, and a training that is asked for more of them is taken up.

    Args:
        config: Training configuration.
        args: The user's arguments, which win over it.
        tiny: Whether to train a few steps, unless the user's arguments say otherwise.

    Raises:
        FileNotFoundError: There is no such configuration.
        ValueError: It is not YAML, or the number of epochs is no number.
    """
    settings = _read(config)
    given = _last(args, "max_epoch")
    if given is not None:
        epochs = _number(given, "--asr-args: max_epoch")
    else:
        epochs = _number(settings.get("max_epoch", ESPNET_EPOCHS), f"{config}: max_epoch")
        epochs = min(epochs, TINY_EPOCHS) if tiny else epochs
    found = ["--max_epoch", str(epochs)]
    if tiny and _last(args, "num_iters_per_epoch") is None:
        configured = settings.get("num_iters_per_epoch") or TINY_ITERATIONS
        iterations = _number(configured, f"{config}: num_iters_per_epoch")
        found += ["--num_iters_per_epoch", str(min(iterations, TINY_ITERATIONS))]
    return found


def data_args(
    options: Options, names: Directories, feature_size: int
) -> tuple[list[str], list[str]]:
    """Return the arguments of asr_train for its data and tokens, and for their shapes.

    Args:
        options: Options of the run.
        names: Its directories.
        feature_size: Values of a frame.
    """
    tokens = {
        BPE: ["--token_type", "bpe", "--bpemodel", f"{names.units}/bpe.model"],
        SYLLABLE_PHONE: ["--token_type", "word"],
    }.get(options.token_type, ["--token_type", options.token_type])
    data = ["--use_preprocessor", "true", "--token_list", f"{names.units}/tokens.txt"]
    data += ["--input_size", str(feature_size), *tokens]
    shapes = []
    for name, folder in (("train", "train"), ("valid", DEV)):
        texts = names.units if options.token_type == SYLLABLE_PHONE else names.dump
        feats = f"{names.dump}/{folder}/feats.scp,speech,kaldi_ark"
        for path in (feats, f"{texts}/{folder}/text,text,text"):
            data += [f"--{name}_data_path_and_name_and_type", path]
        for shape in ("speech_shape", "text_shape.units"):
            shapes += [f"--{name}_shape_file", f"{names.stats}/{name}/{shape}"]
    return data, shapes


def curve_args(wanted: bool) -> list[str]:
    """Return the arguments of asr_train for `--tensorboard`.

    One word, which the stage does not count as a change.

    Args:
        wanted: Whether there is a training that is to write curves.

    Raises:
        ValueError: tensorboard is not installed.
    """
    if not wanted:
        return []
    if find_spec("tensorboard") is None:
        raise ValueError(
            "--tensorboard: tensorboard is not installed; "
            "pip install 'speechmoe_espnet[tensorboard]', or leave the option out"
        )
    return ["--use_tensorboard=true"]


def _number(value: object, name: str) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise ValueError(f"{name}: expected a whole number, got {value!r}") from None


def _last(args: Sequence[str], name: str) -> str | None:
    """Return the last value of an option among words, None where it is not there."""
    value = None
    for number, word in enumerate(args):
        if word == f"--{name}" and number + 1 < len(args):
            value = args[number + 1]
        elif word.startswith(f"--{name}="):
            value = word.partition("=")[2]
    return value


def _read(config: Path) -> dict[str, object]:
    return read_mapping(config)
