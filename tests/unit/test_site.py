"""The documentation site builds without warnings and is read offline."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the site needs the packages of the docs extra")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "docs" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built strictly: a warning is an error."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", out]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr.replace("WARNING:root", "")
    return out


def test_links_are_followed_from_page_to_page(hooks):
    assert hooks.relink("[a](docs/tutorial.md#b)", "index.md") == "[a](tutorial.md#b)"
    assert hooks.relink("![a](docs/images/x.png)", "index.md") == "![a](images/x.png)"
    page = "egs/mix/asr1/RESULTS.md"
    assert hooks.relink("[a](results/arena.md)", page) == "[a](results/arena.md)"
    assert hooks.relink("[a](../../../docs/log.md#x)", page) == "[a](../../../log.md#x)"
    page = "explanation/method.md"
    assert hooks.relink("[a](../../egs/mix/asr1/README.md)", page) == (
        "[a](../egs/mix/asr1/README.md)"
    )


def test_links_that_lead_to_no_page(hooks):
    assert hooks.relink("[a](../../run_all.sh)", "howto/decode.md") == "a"
    for link in ("[a](https://example.org/x.md)", "[a](#here)"):
        assert hooks.relink(link, "howto/decode.md") == link


def test_pages_show_options_and_docstrings(site):
    commands = (site / "reference" / "commands" / "index.html").read_text()
    for option in ("--train_utts", "--prune_threshold", "--results_md"):
        assert option in commands
    assert "--stop-stage" in (site / "reference" / "recipe" / "index.html").read_text()
    layer = (site / "reference" / "python" / "moe" / "index.html").read_text()
    assert "speechmoe_espnet.moe.layer.MoEFeedForward" in layer
    assert (site / "egs" / "mix" / "asr1" / "results" / "arena" / "index.html").exists()
    assert "<!-- help" not in commands


def test_nothing_is_loaded_from_elsewhere(site):
    loads = re.compile(
        r"<(?:script|img|iframe)[^>]* src=\"?https?:|<link[^>]*stylesheet[^>]*https?:"
    )
    for page in site.rglob("*.html"):
        assert not loads.search(page.read_text()), page
