"""Print the plan of a recipe or of the main job, as lines that its shell script reads."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.recipe.find_files import Place
from speechmoe_espnet.recipe.main_job import plan_main_job
from speechmoe_espnet.recipe.recipe_options import Options
from speechmoe_espnet.recipe.shell_lines import shell_lines
from speechmoe_espnet.recipe.shell_plan import plan_recipe
from speechmoe_espnet.system import cli


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    # Messages are the script's: the user started that one.
    program = os.path.basename(os.environ.get("SPEECHMOE_PROGRAM", "plan"))
    parser = cli.ArgumentParser(prog=program, description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    recipe = kinds.add_parser("recipe", help="utils/recipe.sh")
    recipe.add_argument("--root", type=Path, required=True, help="top of the repository")
    recipe.add_argument("--recipe_dir", type=Path, required=True, help="folder of run.sh")
    recipe.add_argument("--sets", nargs="*", default=[], help="the recipe's own styles")
    recipe.add_argument("--given", nargs="*", default=[], help="options that the user gave")
    recipe.add_argument("options", nargs="*", metavar="NAME=VALUE", help="the recipe's options")
    job = kinds.add_parser("job", help="run_all.sh")
    job.add_argument("--recipe", required=True, help="folder of the recipe")
    job.add_argument("--preset", required=True, help="size of the job")
    job.add_argument("--search", required=True, help="greedy or wfst")
    job.add_argument("--seed", type=int, required=True, help="of the corpus and the trainings")
    job.add_argument("--ngpu", type=int, required=True, help="GPUs of each training")
    return parser


def plan(args: argparse.Namespace) -> None:
    """Print a plan.

    Args:
        args: What the parser returned.

    Raises:
        FileNotFoundError: A configuration does not exist.
        ValueError: The options do not go together, or leave nothing to do.
    """
    if args.kind == "job":
        values = plan_main_job(args.recipe, args.preset, args.search, args.seed, args.ngpu)
    else:
        place = Place(args.root, args.recipe_dir, Path.cwd(), tuple(args.sets))
        values = plan_recipe(Options.from_words(args.options, args.given), place)
    print("\n".join(shell_lines(values)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `--help`."""
    return cli.run(plan, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
