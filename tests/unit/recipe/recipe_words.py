"""Plans of the mix recipe, with options as its script passes them."""

import re
import subprocess
from pathlib import Path
from typing import Any

from speechmoe_espnet.recipe.find_files import Place
from speechmoe_espnet.recipe.recipe_options import Options
from speechmoe_espnet.recipe.shell_plan import plan_recipe

ROOT = Path(__file__).parents[3]
MIX = ROOT / "egs/mix/asr1"


def read_defaults() -> dict[str, str]:
    """Return the options of the mix recipe with the defaults that --help shows."""
    done = subprocess.run([MIX / "run.sh", "--help"], capture_output=True, text=True, check=True)
    values = {}
    for entry in re.split(r"^  --", done.stdout, flags=re.MULTILINE)[1:-1]:
        name = entry.split()[0].replace("-", "_")
        found = re.search(r"\(default: (.*)\)\s*$", entry)
        values[name] = found.group(1).replace("none", "") if found else "false"
    return values


DEFAULTS = read_defaults()


def plan(caller: Path, *, recipe_dir: Path = MIX, **given: object) -> dict[str, Any]:
    """Plan a run of the mix recipe by somebody who stands in a folder."""
    values = DEFAULTS | {name: str(value) for name, value in given.items()}
    options = Options.from_words([f"{name}={value}" for name, value in values.items()], given)
    place = Place(ROOT, recipe_dir, caller, ("read", "chat", "spon", "aishell2"))
    return plan_recipe(options, place)
