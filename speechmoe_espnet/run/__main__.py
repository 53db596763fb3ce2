"""A Python that knows SpeechMoE: `python -m speechmoe_espnet.run -m espnet2.bin.X ARGUMENTS`.

Takes what `python` takes. A module of ESPnet runs in this process, after our tasks have taken the
places of ESPnet's; anything else (a script, `-c`, another module) is handed to Python as it is.
"""

import os
import runpy
import sys
from collections.abc import Sequence

from speechmoe_espnet.system.allocator import keep_freed_memory
from speechmoe_espnet.system.cli import run_espnet

USAGE = "usage: python -m speechmoe_espnet.run -m espnet2.bin.COMMAND [ARGUMENTS]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of ESPnet's commands, or Python.

    Args:
        argv: What `python` would get; None reads sys.argv.

    Returns:
        Exit status of a command that returns; 1 for a mistake that this package found, 2 without a
        command.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        print(USAGE, file=sys.stderr)
        return 2
    if words[0] != "-m" or not words[1:] or not words[1].startswith("espnet2."):
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *words])
    keep_freed_memory()
    # Here: ESPnet takes seconds to import, and a script of the recipe does not wait for it.
    from speechmoe_espnet.espnet.command_tasks import replace_tasks
    from speechmoe_espnet.espnet.option_files import check_option_files
    from speechmoe_espnet.espnet.patches import files_alone

    replace_tasks(words[1])
    sys.argv = words[1:]

    def command() -> None:
        check_option_files(words[2:])
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)

    with files_alone():
        return run_espnet(words[1].rpartition(".")[2], command)


if __name__ == "__main__":
    sys.exit(main())
