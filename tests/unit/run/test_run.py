"""`python -m speechmoe_espnet.run` is Python, with our tasks in ESPnet's commands."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from damage import LFS, PAGE

from speechmoe_espnet.espnet import command_tasks
from speechmoe_espnet.run.__main__ import main

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


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "git lfs pull": lambda path: path.write_bytes(LFS),
    "web site": lambda path: path.write_bytes(PAGE),
    "not UTF-8": lambda path: path.write_bytes(bytes(range(100, 200))),
    "not YAML": lambda path: path.write_text("a: [\n"),
}
OPTIONS = {
    "config.yaml": ("asr_train", "--config {}"),
    "tokens.txt": ("slu_train", "--token_list {}"),
    "trained.yaml": ("asr_inference", "--asr_train_config {}"),
    "lm.yaml": ("asr_inference", "--lm_train_config={}"),
    "feats.scp": ("asr_inference", "--data_path_and_name_and_type {},speech,kaldi_ark"),
    "in.yaml": ("s2t_train", "--config again.yaml"),
    "a.pth": ("asr_train", "--init_param {}:encoder:encoder"),
    "bpe.model": ("st_train", "--bpemodel {}"),
    "lm.bin": ("asr_inference", "--ngram_file {}"),
}


def test_files_that_options_name_are_read_before_espnet(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command_tasks, "replace_tasks", lambda command: None)
    started = []
    monkeypatch.setattr(runpy, "run_module", lambda *args, **options: started.append(args[0]))
    Path("a.ark").write_bytes(b"x")
    contents = {"feats.scp": "a a.ark:2\n", "tokens.txt": "<blank>\na\n<sos/eos>\n"}
    for file in OPTIONS:
        Path(file).write_text(contents.get(file, "token_list: [a]\n"))
    Path("again.yaml").write_text("init_param: [in.yaml]\nbpemodel: none\n")
    for file, (command, option) in OPTIONS.items():
        words = ["-m", f"espnet2.bin.{command}", *option.format(file).split()]
        content = Path(file).read_bytes()
        assert main(words) == 0
        for cure, damage in DAMAGES.items():
            damage(Path(file))
            status = main(words)
            said = capsys.readouterr().err
            if cure in ("git lfs pull", "web site"):
                assert status == 1
                assert cure in said
            elif cure == "missing" and file not in ("in.yaml", "a.pth", "bpe.model"):
                assert status == 1
                assert "no file" in said
            elif file.endswith(".yaml") and file != "in.yaml":
                assert status == 1
            assert status == 0 or (said.count("\n") == 1 and file in said)
            Path(file).write_bytes(content)
    assert len(started) >= len(OPTIONS)
    Path("a.ark").write_bytes(LFS)
    assert main(
        ["-m", "espnet2.bin.asr_inference", *OPTIONS["feats.scp"][1].format("feats.scp").split()]
    )
    assert "feats.scp: a: a.ark: a pointer of Git LFS" in capsys.readouterr().err


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
