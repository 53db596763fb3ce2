"""What a missing input of a stage is made by: the hints that its error shows."""

import os
from collections.abc import Sequence

from speechmoe_espnet.recipe.directories import Directories
from speechmoe_espnet.recipe.recipe_options import DEV, Options


def hints(
    options: Options,
    names: Directories,
    sets: Sequence[str],
    scored: str,
    scored_by: int,
    has_start: bool = False,
) -> list[str]:
    """Return how each input is made, for where one is missing.

    Args:
        options: Options of the run.
        names: Its directories.
        sets: Sets to evaluate on.
        scored: Directory of the hypotheses that are scored.
        scored_by: Stage that makes it.
        has_start: Whether training starts from a model that stage 1 unpacks.

    Returns:
        Options of the stage command.
    """
    makers = {names.data: 1, f"{names.data}/lm_text": 1, names.units: 3, names.stats: 4}
    for name in ("train", DEV, *sets):
        for file in ("", "/text", "/utt2spk"):
            makers[f"{names.dump}/{name}{file}"] = 2
        makers[f"{names.units}/{name}/text"] = 3
        for file in ("text", "units"):
            makers[f"{scored}/{name}/{file}"] = scored_by
        for target in ("score", "score_ser"):
            makers[f"{scored}/{name}/{target}"] = 11
    if has_start:
        made = (options.fbank_config, options.token_list, options.init_param)
        makers |= dict.fromkeys((os.path.dirname(options.init_param), *made), 1)
    makers |= {f"{names.units}/tokens.txt": 3, names.exp: 5, names.ngram: 6}
    makers |= {names.lexicon: 6, names.graph: 7, f"{names.tune_dir}/nbest": 8}
    makers |= {
        f"{names.tune_dir}/weights/tuning.json": 8,
        names.decode_dir: 9,
        scored: scored_by,
    }
    found = [
        f"--hint={path}=stage {number} makes it: the same command with --stage {number}"
        for path, number in makers.items()
        if path != options.model_dir
    ]
    if options.model_dir:
        wants = "--model-dir wants a finished experiment (stage 5 of its recipe)"
        found.append(f"--hint={options.model_dir}={wants}")
    return found
