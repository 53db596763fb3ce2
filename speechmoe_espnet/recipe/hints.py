"""Hints of a stage's error: which stage makes the input that is missing."""

import os
from collections.abc import Callable, Mapping, Sequence

from speechmoe_espnet.recipe.directories import Directories
from speechmoe_espnet.recipe.recipe_options import DEV, Options
from speechmoe_espnet.recipe.shell_lines import Value


def stage_hints(
    options: Options,
    names: Directories,
    variables: Mapping[str, Value],
    exists: Callable[[str], bool],
) -> dict[str, Value]:
    """Return what the stages say of inputs that are missing, as variables of `utils/recipe.sh`.

    Args:
        options: Options of the run.
        names: Its directories.
        variables: All its other variables.
        exists: Whether a path exists.
    """
    made_by = _makers(options, names, variables)
    firsts = first_stages(made_by, _inputs(names, variables), exists)
    found = []
    for path, number in made_by.items():
        if path == options.model_dir:
            continue
        first = firsts[number]
        how = f"stage {number} makes it" if first == number else f"stage {first} comes first"
        found.append(f"--hint={path}={how}: the same command with --stage {first}")
    if options.model_dir:
        wants = "--model-dir wants a finished experiment (stage 5 of its recipe)"
        found.append(f"--hint={options.model_dir}={wants}")
    return {"hints": found, "lists_begin_with": str(firsts[8])}


def first_stages(
    made_by: Mapping[str, int],
    inputs: Mapping[int, Sequence[str]],
    exists: Callable[[str], bool],
) -> dict[int, int]:
    """Return, for each stage that makes something, the first one that has to run for it.

    Args:
        made_by: The stage that makes each path.
        inputs: What each stage reads; what no stage makes is left out of account.
        exists: Whether a path exists.
    """

    def first(number: int) -> int:
        missing = (path for path in inputs.get(number, ()) if path in made_by and not exists(path))
        return min((first(made_by[path]) for path in missing), default=number)

    return {number: first(number) for number in set(made_by.values())}


def _makers(options: Options, names: Directories, variables: Mapping[str, Value]) -> dict[str, int]:
    """Return the stage that makes each file and directory that later stages read."""
    [scored] = _paths(variables, "scored_dir")
    scored_by = 10 if options.rescore else 9
    made_by = {names.data: 1, f"{names.data}/lm_text": 1, names.units: 3, names.stats: 4}
    for name in ("train", DEV, *_paths(variables, "sets")):
        for file in ("", "/text", "/utt2spk"):
            made_by[f"{names.dump}/{name}{file}"] = 2
        made_by[f"{names.units}/{name}/text"] = 3
        for file in ("text", "units"):
            made_by[f"{scored}/{name}/{file}"] = scored_by
        for target in ("score", "score_ser"):
            made_by[f"{scored}/{name}/{target}"] = 11
    if variables["start"]:
        made = (options.fbank_config, options.token_list, options.init_param)
        made_by |= dict.fromkeys((os.path.dirname(options.init_param), *made), 1)
        of_start = f"{variables['start']}/"
        searched = ("ngram_inputs", "search_inputs", "tuning", "decode_config")
        made_by |= {p: 1 for p in _paths(variables, *searched) if p.startswith(of_start)}
    made_by |= {f"{names.units}/tokens.txt": 3, names.exp: 5, names.ngram: 6}
    made_by |= {names.lexicon: 6, names.graph: 7, f"{names.tune_dir}/nbest": 8}
    made_by |= {f"{names.tune_dir}/weights/tuning.json": 8, names.decode_dir: 9}
    return made_by | {scored: scored_by}


def _inputs(names: Directories, variables: Mapping[str, Value]) -> dict[int, list[str]]:
    """Return what each stage reads."""
    searched = _paths(variables, "model", "search_inputs")
    return {
        2: [names.data],
        3: _paths(variables, "unit_inputs"),
        4: _paths(variables, "data_inputs"),
        5: _paths(variables, "training_inputs"),
        6: [f"{names.dump}/{DEV}", *_paths(variables, "ngram_inputs")],
        7: [names.ngram, names.lexicon],
        8: searched,
        9: [*searched, *_paths(variables, "tuning")],
        10: [f"{names.tune_dir}/nbest", names.decode_dir],
        11: _paths(variables, "scored_dir"),
    }


def _paths(variables: Mapping[str, Value], *names: str) -> list[str]:
    """Return the values of scalars and arrays as one list."""
    values = (variables[name] for name in names)
    return [
        path
        for value in values
        for path in ([str(value)] if isinstance(value, str | int) else value)
    ]
