"""Models that ship with this package, by the name that people load them by.

A shipped model is a packed model, `models/NAME.zip` in this folder: what is there has a name.
"""

from importlib import resources
from pathlib import Path

MODELS = "models"
DEFAULT = "mandarin-small"
DEFAULT_BASELINE = "mandarin-small-dense"


def shipped_models(folder: Path | None = None) -> dict[str, Path]:
    """Return the zips of the shipped models by name.

    Args:
        folder: Folder to look in; None: that of this package.
    """
    if folder is None:
        folder = Path(str(resources.files(__package__))) / MODELS
    return {path.stem: path for path in sorted(folder.glob("*.zip"))}
