"""Set-up with uv: pip's settings reach it, and pip takes over where it fails."""

import os
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from shell_process import ROOT, Shell

uv_variables = runpy.run_path(str(ROOT / "utils/uv_settings.py"))["uv_variables"]


def test_settings_of_pip_become_variables_of_uv() -> None:
    listing = (
        "global.index-url='https://old/simple'\n"
        "install.index-url='https://mirror/simple'\n"
        "global.extra-index-url='\\nhttps://one/simple\\nhttps://two/simple'\n"
        "global.find-links='/wheels /more'\n"
        ":env:.find-links='/mine'\n"
        ":env:.cert='/ca.pem'\n"
        "global.proxy='http://proxy:3128'\n"
        "list.timeout='7'\n"
        "global.no-index='false'\n"
    )
    assert uv_variables(listing) == {
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_DEFAULT_INDEX": "https://mirror/simple",
        "UV_INDEX": "https://one/simple https://two/simple",
        "UV_FIND_LINKS": "/mine",
        "SSL_CERT_FILE": "/ca.pem",
        "HTTP_PROXY": "http://proxy:3128",
        "HTTPS_PROXY": "http://proxy:3128",
    }
    assert uv_variables(":env:.no-index='1'\n")["UV_NO_INDEX"] == "1"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with the wheel of one empty package."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = "speechmoe_probe-1.dist-info"
    with zipfile.ZipFile(folder / "speechmoe_probe-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("speechmoe_probe.py", "")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: speechmoe_probe\nVersion: 1\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "speechmoe_probe.py,,\n")
    return folder


def fake_uv(folder: Path, status: int) -> Path:
    """Make a uv that notes how it was called; returns the folder for PATH."""
    folder.mkdir()
    uv = folder / "uv"
    uv.write_text(
        "#!/bin/sh\n"
        '[ "$1" != --version ] || exit 0\n'
        f'{{ echo "$@"; env; }} >"{folder}/called"\n'
        f'[ {status} -eq 0 ] || {{ echo "uv: no index" >&2; exit {status}; }}\n'
    )
    uv.chmod(0o755)
    return folder


@pytest.mark.parametrize("status", [0, 2])
def test_uv_installs_or_else_pip(
    sh: Shell, project: Path, wheels: Path, tmp_path: Path, status: int
) -> None:
    (project / "setup.cfg").write_text(
        "[options]\ninstall_requires =\n    speechmoe_probe\n[options.extras_require]\n"
    )
    tools = fake_uv(tmp_path / "tools", status)
    venv = project / ".venv"
    done = sh(
        project / "utils/setup.sh",
        PYTHON=sys.executable,
        SPEECHMOE_VENV=str(venv),
        PATH=f"{tools}:{os.environ['PATH']}",
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=str(wheels),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    called, *variables = (tools / "called").read_text().splitlines()
    assert called == (
        f"pip install --python {venv}/bin/python --compile-bytecode "
        f"-r {venv}/requirements.txt -c {project}/constraints.txt"
    )
    assert f"UV_FIND_LINKS={wheels}" in variables
    assert ("uv cannot install here" in done.stdout) == (status != 0)
    assert bool(list(venv.glob("lib/python*/site-packages/speechmoe_probe.py"))) == (status != 0)
    pip = subprocess.run([venv / "bin/python", "-m", "pip", "--version"], check=False)
    assert pip.returncode == 0
