"""A packed model by its path or by its name: a folder, a zip, a shipped name, a tag of the Hub."""

import logging
import os
import re
import shutil
from pathlib import Path

from speechmoe_espnet.data.checksums import file_sha256
from speechmoe_espnet.pipeline.target import fresh_directory
from speechmoe_espnet.zoo.archive import unpack_zip
from speechmoe_espnet.zoo.packed_model import META, PackedModel, is_packed
from speechmoe_espnet.zoo.shipped import shipped_models

CACHE_VARIABLE = "SPEECHMOE_CACHE"
logger = logging.getLogger(__name__)
_TAG = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")


def find_model(name: str | Path) -> PackedModel:
    """Return a packed model that is ready to be loaded.

    Args:
        name: Path of a folder or a zip, name of a shipped model, or OWNER/NAME[@REVISION] of the
            Hugging Face Hub. What exists as a path is a path.

    Raises:
        FileNotFoundError: There is no such file, name or tag.
        ValueError: It is no packed model or damaged, or the Hub cannot be reached.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return PackedModel.load(path)
    if path.is_file():
        return _unpacked(path)
    shipped = shipped_models()
    if str(name) in shipped:
        return _unpacked(shipped[str(name)])
    if isinstance(name, str) and _TAG.fullmatch(name):
        return PackedModel.load(_from_hub(name))
    names = ", ".join(shipped) or "none"
    raise FileNotFoundError(
        f"{name}: no such folder or zip, and no name of a shipped model ({names}); a tag of the "
        f"Hugging Face Hub is OWNER/NAME"
    )


def cache_folder() -> Path:
    """Return the folder of unpacked models: that of SPEECHMOE_CACHE, or one in ~/.cache."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "speechmoe_espnet"


def _unpacked(archive: Path) -> PackedModel:
    """Unpack a zip into the cache, where a folder has the digest of its zip as its name."""
    target = cache_folder() / file_sha256(archive)[:32]
    if is_packed(target):
        try:
            return PackedModel.load(target)
        except ValueError:
            shutil.rmtree(target)
    # Imported here: it loads torch, which a model that lies in the cache does not need.
    from speechmoe_espnet.zoo.compact import expand, is_compact

    target.parent.mkdir(parents=True, exist_ok=True)
    with fresh_directory(target) as out:
        unpack_zip(archive, out)
        try:
            if is_compact(out):
                logger.warning("%s: made whole once, which takes up to a minute", archive.stem)
                expand(out)
            PackedModel.load(out)
        except ValueError as error:
            raise ValueError(f"{archive}: {_without(out, error)}") from None
        try:
            out.rename(target)
        except OSError:
            if not is_packed(target):  # else another process was faster
                raise
    return PackedModel.load(target)


def _without(folder: Path, error: ValueError) -> str:
    """Return a message without the temporary folder, which is gone when it is read."""
    return str(error).replace(f"{folder}{os.sep}", "").replace(f"{folder}: ", "")


def _from_hub(tag: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise ValueError(
            f"{tag}: there is no such folder, and models of the Hugging Face Hub need the package "
            f"huggingface_hub: pip install huggingface_hub"
        ) from None
    repository, _, revision = tag.partition("@")
    try:
        folder = Path(snapshot_download(repository, revision=revision or None))
    except Exception as error:  # it raises errors of its own, of requests, of httpx and of Python
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"{tag}: there is no such folder, and the Hugging Face Hub does not give it: {reason}; "
            f"without a network give the path of a folder or a zip"
        ) from None
    if not is_packed(folder):
        raise ValueError(f"{tag}: has no {META}, so it is not a packed model")
    return folder
