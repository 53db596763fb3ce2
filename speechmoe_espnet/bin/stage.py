"""Run a command as a stage: only if needed, and with complete output or none."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from speechmoe_espnet.pipeline.process import Interrupted, end_with_parent
from speechmoe_espnet.pipeline.stage import CommandFailedError, Stage, run
from speechmoe_espnet.system import cli


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="stage",
        description=__doc__,
        usage="stage --target DIR [options] -- COMMAND [ARGUMENTS]",
    )
    parser.add_argument("--target", type=Path, required=True, help="directory to make")
    parser.add_argument(
        "--input",
        type=Path,
        nargs="*",
        default=[],
        help="files and directories that the command reads",
    )
    parser.add_argument(
        "--in_place",
        action="store_true",
        help="work in the target itself; a stopped run resumes",
    )
    parser.add_argument(
        "--checkpoint",
        default="",
        metavar="FILE",
        help="with --in_place: file in the target that a stopped run resumes from; without it, "
        "nothing is resumed or kept (default: any file)",
    )
    parser.add_argument("--log", type=Path, help="log file for the output of the command")
    parser.add_argument("--quiet", action="store_true", help="write the output to the log only")
    parser.add_argument("--name", default="stage", help="name of the stage in messages")
    parser.add_argument(
        "--hint",
        action="append",
        default=[],
        metavar="PATH=TEXT",
        help="cure to show if the input PATH is missing; may be repeated",
    )
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="PREFIX",
        help="words of the command with this prefix may change without a new run; may be repeated",
    )
    parser.add_argument(
        "--may_grow",
        nargs="+",
        default=[],
        metavar="OPTION",
        help="options of the command, such as max_epoch, whose number may grow: with --in_place a "
        "shorter run is taken up",
    )
    parser.add_argument(
        "--accept_changes",
        action="store_true",
        help="go on where an input or the target was changed since it was made",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Returns:
        0: made or up to date; 1: a mistake or a missing input; the exit status of the command if
        it failed; 128 + N if signal N stopped this process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    own, command = words, []
    if "--" in words:
        own, command = words[: words.index("--")], words[words.index("--") + 1 :]
    args = get_parser().parse_args(own)
    try:
        run(
            Stage(
                target=args.target,
                command=tuple(command),
                inputs=tuple(args.input),
                name=args.name,
                in_place=args.in_place,
                checkpoint=args.checkpoint,
                log=args.log,
                quiet=args.quiet,
                hints=dict(_hint(text) for text in args.hint),
                ignored=tuple(args.ignore),
                may_grow=tuple(args.may_grow),
                accept_changes=args.accept_changes,
            )
        )
    except (ValueError, OSError) as error:
        print(f"stage: error: {error}", file=sys.stderr)
        return 1
    except CommandFailedError as error:
        print(f"stage: error: {error}", file=sys.stderr)
        return error.status
    except Interrupted as error:
        print(f"stage: {args.name}: stopped by {error}", file=sys.stderr)
        return 128 + error.signum
    return 0


def _hint(text: str) -> tuple[str, str]:
    path, equals, hint = text.partition("=")
    if not equals:
        raise ValueError(f"--hint {text!r}: expected PATH=TEXT")
    return path, hint


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main())
