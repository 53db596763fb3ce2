"""Models that ESPnet builds from files, found and checked: what `patches` puts in its place."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from espnet2.tasks import abs_task

from speechmoe_espnet.data.yaml_file import read_mapping
from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.espnet.checkpoint_file import check_fits, read_checkpoint, state_of
from speechmoe_espnet.espnet.experiment_config import CONFIG_FILE, load_config, portable_config

BuildModel = Callable[..., tuple[Any, argparse.Namespace]]


def built_model(
    build: BuildModel,
    task: type[abs_task.AbsTask],
    config_file: str | Path | None,
    model_file: str | Path | None,
    device: str,
) -> tuple[Any, argparse.Namespace]:
    """Build a model as ESPnet does, with every tensor from the file.

    Defect: ESPnet takes the paths in config.yaml as they are, so that an experiment loads from the
    folder alone where its training ran. Version: espnet 202611. Those of an encoder of ours are
    found in the folder; a configuration of another encoder is ESPnet's alone.

    Args:
        build: ESPnet's `build_model_from_file`, as a function of the task.
        task: The task.
        config_file: config.yaml; None: the one beside the checkpoint.
        model_file: Checkpoint; None for random parameters.
        device: Where the model shall be.

    Returns:
        The model, and ESPnet's arguments.

    Raises:
        ValueError: A file is damaged, or the two belong to different trainings.
    """
    with _found_files(task, config_file, model_file) as config:
        if model_file is None:
            return build(task, config, None, device)
        saved = read_checkpoint(model_file)
        state = state_of(saved, model_file)
        try:
            with mock.patch.object(abs_task, "safe_torch_load", return_value=saved):
                model, args = build(task, config, model_file, device)
        except RuntimeError as error:
            lines = str(error).splitlines()
            if "loading state_dict" not in lines[0]:
                raise
            raise ValueError(
                f"{model_file}: does not fit config.yaml: the two belong to different trainings "
                f"({lines[1].strip() if len(lines) > 1 else lines[0]})"
            ) from None
    # Files of adapters hold these alone, and ESPnet renames the tensors of old upstreams.
    is_part = getattr(args, "use_adapter", False)
    if not is_part and not any("frontend.upstream.model" in name for name in state):
        ours = isinstance(getattr(model, "encoder", None), AbsSpeechMoEEncoder)
        check_fits(model, state, model_file, unused=not ours)
    return model, args


@contextmanager
def _found_files(
    task: type[abs_task.AbsTask], config_file: str | Path | None, model_file: str | Path | None
) -> Iterator[str | Path | None]:
    """Yield the configuration, for an encoder of ours with its files found."""
    path = config_file
    if path is None and model_file is not None:
        path = Path(model_file).parent / CONFIG_FILE
    if path is None or not _is_ours(task, path):
        yield config_file
        return
    with portable_config(load_config(path)) as found:
        yield found


def _is_ours(task: type[abs_task.AbsTask], config_file: str | Path) -> bool:
    """Whether a stock task builds an encoder of ours; a task of ours has found the files."""
    if task.build_model_from_file.__func__ is not abs_task.AbsTask.build_model_from_file.__func__:
        return False
    tables = [table for table in task.class_choices_list if table.name == "encoder"]
    if not tables:
        return False
    name = read_mapping(config_file).get("encoder")
    found = tables[0].classes.get(str(name).lower())
    return found is not None and issubclass(found, AbsSpeechMoEEncoder)
