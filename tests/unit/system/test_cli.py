import subprocess
import sys

import pytest

from speechmoe_espnet.system import cli
from speechmoe_espnet.system.cli import ArgumentParser

PROGRAM = """
import sys
from speechmoe_espnet.system.cli import ArgumentParser, run

def command(args):
    for line in range(args.lines):
        print(line)
    if args.fail:
        raise ValueError("no such thing")

parser = ArgumentParser(prog="count")
parser.add_argument("--lines", type=int)
parser.add_argument("--fail", action="store_true")
sys.exit(run(command, parser, None))
"""


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_closed_output_ends_the_command_like_sigpipe_without_a_message() -> None:
    for lines in (10, 1_000_000):  # less than a buffer, written at exit, and more than a pipe holds
        with start("--lines", str(lines)) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == ""
            assert process.wait() == 141


def test_mistake_ends_with_one_line_and_status_1() -> None:
    with start("--lines", "2", "--fail") as process:
        out, err = process.communicate()
    assert out == "0\n1\n"
    assert err == "count: error: no such thing\n"
    assert process.returncode == 1


def test_help_shows_required_options_and_defaults_that_say_something() -> None:
    parser = ArgumentParser()
    parser.add_argument("--needed", required=True, help="a")
    parser.add_argument("--number", default=0, help="b")
    parser.add_argument("--names", nargs="*", default=["x", "y"], help="c")
    parser.add_argument("--other", help="d (default: all)")
    parser.add_argument("--nothing", help="e")
    parser.add_argument("--empty", nargs="*", default=[], help="f")
    parser.add_argument("--flag", action="store_true", help="g")
    parser.add_argument("place", help="h")
    text = " ".join(parser.format_help().split())
    assert "a (required)" in text
    assert "b (default: 0)" in text
    assert "c (default: x y)" in text
    assert "d (default: all)" in text
    assert text.count("default:") == 3
    assert text.count("(required)") == 1
    assert "None" not in text


def test_what_this_package_finds_in_espnets_commands_is_one_line(tmp_path, capsys):
    from speechmoe_espnet.data.text_file import read_text

    assert cli.run_espnet("asr_inference", lambda: read_text(tmp_path / "none")) == 1
    assert capsys.readouterr().err == f"asr_inference: error: no file {tmp_path / 'none'}\n"
    assert cli.run_espnet("asr_inference", lambda: None) == 0
    with pytest.raises(ValueError, match="invalid literal"):
        cli.run_espnet("asr_inference", lambda: int("x"))


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x85", "\u2028"])
@pytest.mark.parametrize(
    "words", [["--name", "a{}b"], ["--name=a{}b"], ["a{}b"], ["--na{}me", "a"]]
)
def test_control_characters_are_refused_in_every_word(
    character: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    parser = ArgumentParser(prog="count")
    parser.add_argument("--name")
    parser.add_argument("more", nargs="*")
    with pytest.raises(SystemExit) as caught:
        parser.parse_args([word.format(character) for word in words])
    assert caught.value.code == 2
    assert "count: error: a control character, such as" in capsys.readouterr().err
    assert parser.parse_args(["--name", "a b", "好 "]).more == ["好 "]


def test_progress_counts_amounts(capsys, monkeypatch):
    monkeypatch.setattr(cli, "SECONDS_BETWEEN_LINES", 0)
    assert list(cli.progress([30.0, 60.0, 10.0], 100, "heard (s)", amount=float)) == [30, 60, 10]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines[:2]] == ["heard (s): 30/100", "heard (s): 90/100"]
    assert lines[-1] == "heard (s): 100/100 done"
