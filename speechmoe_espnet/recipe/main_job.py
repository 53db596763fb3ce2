"""The plan of the main job, run_all.sh: what its presets and searches mean."""

from pathlib import Path

from speechmoe_espnet.corpora.synthetic.presets import STYLES
from speechmoe_espnet.recipe.directories import corpus_name
from speechmoe_espnet.recipe.expected_times import expected_times
from speechmoe_espnet.recipe.recipe_options import SYNTHETIC, WFST_SEARCH
from speechmoe_espnet.recipe.shell_lines import Value
from speechmoe_espnet.recipe.training_args import MAIN_JOB_ARGS

SYSTEMS = ("static", "speechmoe")


def plan_main_job(recipe: str, preset: str, search: str, seed: int, ngpu: int) -> dict[str, Value]:
    """Return the variables of `run_all.sh`.

    Args:
        recipe: Folder of the recipe.
        preset: Size of the job; `full` is a grid instead.
        search: `greedy` or `wfst`.
        seed: Seed of the corpus and of the trainings.
        ngpu: GPUs of each training.

    Raises:
        ValueError: The preset is unknown.
    """
    if preset not in MAIN_JOB_ARGS:
        raise ValueError(f"--preset {preset}: is not one of {', '.join(MAIN_JOB_ARGS)}")
    suffix = f"_{WFST_SEARCH}" if search == WFST_SEARCH else ""
    decoding = "ctc_greedy"
    if suffix:
        decoding = "wfst_narrow" if preset == "tiny" else "wfst"
    corpus = corpus_name(SYNTHETIC, preset, seed)
    experiments = [f"{recipe}/exp/{corpus}/{system}{suffix}" for system in SYSTEMS]
    scores = ["score", "score_ser"] if suffix else ["score"]
    inputs = []
    for experiment in experiments:
        decoded = f"{experiment}/decode_{decoding}"
        inputs += [experiment, decoded]
        inputs += [f"{decoded}/{name}/{score}" for name in STYLES for score in scores]
    size = "large_" if preset == "large" else ""
    args = MAIN_JOB_ARGS[preset]
    if preset == "large" and ngpu:
        # In bfloat16: there all groups of an MoE layer are one kernel on a GPU.
        args = "--use_amp true"
    search_stages = [6, 7, 8] if suffix else []
    return {
        "suffix": suffix,
        "decoding": decoding,
        "systems": list(SYSTEMS),
        "sets": list(STYLES),
        "report": f"exp/report{suffix}",
        "report_inputs": inputs,
        "report_systems": [
            f"--system={system}={experiment}"
            for system, experiment in zip(SYSTEMS, experiments, strict=True)
        ],
        "configs": f"conf/train_{size}",
        "asr_args": args,
        "data_dir": str(Path(recipe, "data", corpus)),
        "times": expected_times(SYNTHETIC, preset, [1, 2, 3, 4, 5, *search_stages, 9, 11, 12]),
    }
