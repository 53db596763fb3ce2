"""Zips of packed models: written the same from the same files, and unpacked with care.

A zip may come from anybody. No member is written outside of the folder, no link is followed, and
what is no complete zip is one clear error.
"""

import errno
import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from speechmoe_espnet.data.placeholder import refuse_placeholder_file
from speechmoe_espnet.zoo.packed_model import META, inner_path

_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644
# What zipfile raises where a zip is not as it should be; NotImplementedError is a RuntimeError.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, RuntimeError, OverflowError),
)


def write_zip(folder: Path, archive: Path) -> None:
    """Write all files of a folder into a zip; meta.yaml comes first, as ESPnet has it.

    Args:
        folder: A packed model.
        archive: File to write. Its bytes depend on the files alone.
    """
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    names.sort(key=lambda name: name != META)
    with zipfile.ZipFile(archive, "w") as file:
        for name in names:
            info = zipfile.ZipInfo(name, _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFREG | _MODE) << 16
            with (
                file.open(info, "w", force_zip64=True) as target,
                open(folder / name, "rb") as source,
            ):
                shutil.copyfileobj(source, target)


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpack a zip.

    Args:
        archive: The zip.
        folder: An empty folder.

    Raises:
        ValueError: The file is no zip, is damaged or encrypted, needs more space than there is, or
            a member is a link, has a name twice or leads out of the folder.
    """
    refuse_placeholder_file(archive)
    try:
        with zipfile.ZipFile(archive) as file:
            members = _checked_members(file)
            needed = sum(member.file_size for member in members.values())
            if needed > (free := shutil.disk_usage(folder).free):
                raise ValueError(f"needs {needed} bytes in {folder}, where {free} are free")
            for path, member in members.items():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with file.open(member) as source, open(target, "xb") as out:
                    shutil.copyfileobj(source, out)
    except _DAMAGE as error:
        raise ValueError(f"{archive}: not a zip, or damaged: {error}") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise ValueError(f"{archive}: a member is both a file and a folder") from None
    except ValueError as error:
        raise ValueError(f"{archive}: {error}") from None
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise ValueError(f"{archive}: damaged: a member lies outside of the file") from None


def _checked_members(file: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in file.infolist():
        path = inner_path(info.filename).as_posix()
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ValueError(f"member {info.filename!r} is a link or a device")
        if info.flag_bits & 1:
            raise ValueError(f"member {info.filename!r} is encrypted")
        if info.is_dir():
            continue
        if path in members:
            raise ValueError(f"member {info.filename!r} is there twice")
        members[path] = info
    return members
