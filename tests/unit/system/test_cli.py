import subprocess
import sys

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


def test_command_whose_output_nobody_reads_ends_as_by_sigpipe_without_a_word() -> None:
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
