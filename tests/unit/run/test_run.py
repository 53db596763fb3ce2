"""`python -m speechmoe_espnet.run` is Python, with our tasks in ESPnet's commands."""

import subprocess
import sys

import pytest

OTHERS = ("slu_train", "st_train", "s2t_train")
PYTHON = [sys.executable, "-m", "speechmoe_espnet.run"]


def run(*words, **options):
    return subprocess.run([*PYTHON, *words], capture_output=True, text=True, **options)


def test_without_a_command_it_says_how():
    done = run()
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m speechmoe_espnet.run -m espnet2.bin.")


def test_anything_but_espnet_is_python(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import sys; print(sys.argv[1:]); sys.exit(3)")
    done = run(str(script), "--a", "b c")
    assert (done.returncode, done.stdout) == (3, "['--a', 'b c']\n")
    assert run("-c", "print(6 * 7)").stdout == "42\n"
    assert run("-", input="print('from stdin')").stdout == "from stdin\n"
    assert run("-m", "json.tool", input="[1]").stdout.split() == ["[", "1", "]"]


@pytest.mark.parametrize("command", ["asr_train", "asr_inference", "lm_train", *OTHERS])
def test_espnets_commands_get_our_tasks(command):
    """The command's own namespace is looked at: what it imported is what it runs."""
    script = (
        "import importlib, runpy, sys\n"
        "from speechmoe_espnet.run import __main__ as front\n"
        "def fake(name, run_name, alter_sys):\n"
        "    sys.modules.pop(name, None)\n"
        "    space = vars(importlib.import_module(name))\n"
        "    print(sorted({c.__module__ + '.' + c.__name__ for c in space.values()\n"
        "                  if isinstance(c, type) and c.__name__.endswith('Task')}))\n"
        "    print(sys.argv)\n"
        "runpy.run_module = fake\n"
        f"front.main(['-m', 'espnet2.bin.{command}', '--x', 'y'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    tasks, argv = done.stdout.splitlines()[-2:]
    assert "speechmoe_espnet.espnet." in tasks
    assert "espnet2.tasks.asr.ASRTask'" not in tasks
    assert "espnet2.tasks.lm.LMTask'" not in tasks
    if command in OTHERS:
        name = f"SpeechMoE{command.split('_')[0].upper()}Task"
        assert tasks == f"['speechmoe_espnet.espnet.speech_tasks.{name}']"
    assert argv == f"['espnet2.bin.{command}', '--x', 'y']"
