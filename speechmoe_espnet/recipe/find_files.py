"""Files of a recipe, found in the caller's folder, the recipe or the top of the repository."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """The folders of a run, and what the recipe says of itself.

    Attributes:
        root: Top of the repository.
        recipe_dir: Folder of the recipe's run.sh.
        caller: Folder in which the user started it.
        sets: Styles of the synthetic corpus that belong to the recipe.
    """

    root: Path
    recipe_dir: Path
    caller: Path
    sets: Sequence[str] = ()

    def find(self, option: str, path: str) -> str:
        """Return a path as the stages see it, which work in the recipe's folder.

        Args:
            option: Option that names the path, for the message.
            path: A path; a relative one is looked for in the caller's folder, in the recipe and
                at the top of the repository, in this order.

        Returns:
            A path relative to the recipe where both are in the repository, else an absolute one;
            symbolic links are kept.

        Raises:
            ValueError: There is nothing.
        """
        folders = list(dict.fromkeys((self.caller, self.recipe_dir, self.root)))
        for folder in folders:
            candidate = os.path.abspath(folder / path)
            if path and os.path.exists(candidate):
                return self._shown(candidate)
        looked = f"neither in {' nor in '.join(map(str, folders))}"
        where = "" if os.path.isabs(path) else f", {looked}"
        raise ValueError(f"{option}: there is no '{path}'{where}")

    def absolute(self, found: str) -> Path:
        """Return what `find` returned as an absolute path."""
        return self.recipe_dir / found

    def _shown(self, path: str) -> str:
        inside = all(
            os.path.commonpath([self.root, each]) == str(self.root)
            for each in (path, self.recipe_dir)
        )
        return os.path.relpath(path, self.recipe_dir) if inside else path
