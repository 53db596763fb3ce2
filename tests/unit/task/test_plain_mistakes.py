"""What this package refuses under ESPnet3 is one line; errors of others keep their tracebacks."""

import logging
import subprocess
import sys
from argparse import Namespace

import pytest

pytest.importorskip("lightning", reason="needs the packages of the extra espnet3")

from espnet3.utils.stages_utils import run_stages
from hydra.utils import instantiate

from speechmoe_espnet.task.plain_mistakes import tell_mistakes_in_one_line

CONFIG = {"_target_": "speechmoe_espnet.task.kaldi_dataset.Dataset", "data_dir": "missing"}
SCRIPT = """
import sys
import speechmoe_espnet.task.plain_mistakes as mistakes
mistakes.tell_mistakes_in_one_line()
from speechmoe_espnet.data.text_file import read_text
if sys.argv[1] == "ours":
    try:
        read_text("missing.txt")
    except OSError as error:
        raise RuntimeError("Error in call to target") from error
int("x")
"""


class System:
    training_config = None

    def train(self):
        instantiate(CONFIG)

    def infer(self):
        int("x")


def test_the_log_of_a_stage_has_one_line(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("espnet3.utils.stages_utils.log_stage_metadata", lambda *_, **__: None)
    monkeypatch.setattr("espnet3.utils.stages_utils.stage_log_dir", lambda *_: tmp_path)
    monkeypatch.setattr("espnet3.utils.stages_utils._get_stage_log_mode", lambda _: "rank0")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    tell_mistakes_in_one_line()
    log = logging.getLogger("espnet3")
    for stage, words in (("train", "missing"), ("infer", "Traceback")):
        caplog.clear()
        with pytest.raises(Exception, match=r"missing|invalid literal"):
            run_stages(
                system=System(), stages_to_run=[stage], args=Namespace(dry_run=False), log=log
            )
        (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
        shown = logging.Formatter().format(record)
        assert words in shown
        assert shown.startswith(f"Stage '{stage}' failed after")
        assert ("Traceback" in shown) == (stage == "infer")
    assert len([f for f in log.filters if type(f).__module__.startswith("speechmoe")]) == 1


@pytest.mark.parametrize("whose", ["ours", "others"])
def test_the_end_of_a_run_has_one_line(whose):
    done = subprocess.run([sys.executable, "-c", SCRIPT, whose], capture_output=True, text=True)
    assert done.returncode == 1
    if whose == "ours":
        assert done.stderr.splitlines()[-1] == "espnet3: error: no file missing.txt"
        assert "Traceback" not in done.stderr
    else:
        assert "Traceback" in done.stderr
