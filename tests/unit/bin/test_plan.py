"""What scripts are told by the plan command, and how they read it."""

import subprocess
from pathlib import Path

import pytest

from speechmoe_espnet.bin.plan import main
from speechmoe_espnet.recipe.shell_lines import Value, shell_lines

ROOT = Path(__file__).parents[3]
JOB = ("job", "--recipe", "egs/mix/asr1", "--ngpu", "0", "--seed", "0")


def lines_of(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main([*JOB, *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_main_job(capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_of(capsys, "--preset", "small", "--search", "greedy")
    assert "decoding\tctc_greedy" in lines
    assert "report_systems+\t--system=static=egs/mix/asr1/exp/synthetic/static" in lines
    lines = lines_of(capsys, "--preset", "tiny", "--search", "wfst")
    assert {"decoding\twfst_narrow", "suffix\t_wfst"} <= set(lines)
    static = "egs/mix/asr1/exp/synthetic_tiny/static_wfst"
    assert f"report_inputs+\t{static}/decode_wfst_narrow/read/score_ser" in lines


def test_mistakes_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECHMOE_PROGRAM", "./run_all.sh")
    assert main([*JOB, "--preset", "huge", "--search", "wfst"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("run_all.sh: error: --preset huge: is not one of tiny, ")


def test_a_script_reads_values_without_evaluating_them(tmp_path: Path) -> None:
    words = ["", "a b", "$(touch evil)", "x=1", "-n"]
    plain = " $(touch evil) `touch evil` \\n * ~ "
    values: dict[str, Value] = {"plain": plain, "none": "", "empty": [], "words": words}
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ncat {tmp_path}/lines\n")
    python.chmod(0o755)
    (tmp_path / "lines").write_text("\n".join(shell_lines(values)))
    script = (
        f"set -euo pipefail; . {ROOT}/utils/plan.sh; words=(old); read_plan; "
        'printf "<%s>" "${plain}" "${none}" "${#empty[@]}" "${words[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "".join(f"<{value}>" for value in [plain, "", "0", *words])
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("value", ["a\nb", "a\tb", ["\x7f"], "\x1b[31m"])
def test_control_characters_are_refused(value: str | list[str]) -> None:
    with pytest.raises(ValueError, match=r"name: .* has a control character"):
        list(shell_lines({"name": value}))
