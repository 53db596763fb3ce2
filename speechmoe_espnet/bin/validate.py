"""Find every fault of Kaldi data directories, and write a clean copy."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from speechmoe_espnet.data.dir_check import CheckedDir, check_dir
from speechmoe_espnet.data.faults import LEFT_OUT, Fault, Harm, count_kinds, write_left_out
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.worker_options import add_worker_options, workers_of
from speechmoe_espnet.pipeline.workers import Workers
from speechmoe_espnet.system import cli


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(
        prog="validate",
        description="Find every fault of Kaldi data directories at once, with file, line, "
        "utterance and cure: tables, ids, segments, and audio, which is read to its end. The exit "
        "status is 1 if there are faults; notes are no faults.",
    )
    parser.add_argument("data_dirs", nargs="+", metavar="DIR", help="Kaldi data directories")
    parser.add_argument(
        "--fix",
        type=Path,
        metavar="OUT",
        help="write a clean copy of DIR to OUT, with the table `left_out` of what it lacks and "
        "why; audio stays where it is",
    )
    parser.add_argument(
        "--no_audio", action="store_true", help="check tables and paths alone, which takes seconds"
    )
    add_worker_options(parser, nj=2)
    return parser


@dataclass(frozen=True)
class _Outcome:
    checked: CheckedDir
    faults: list[Fault]
    left_out: dict[str, str]
    seconds: float | None


def validate(args: argparse.Namespace) -> None:
    """Print the faults and a summary of each directory.

    Raises:
        FileNotFoundError: There is no such directory.
        ValueError: An option is not valid, or there are faults.
    """
    if args.fix is not None:
        if len(args.data_dirs) > 1:
            raise ValueError(f"--fix {args.fix}: give one directory, got {len(args.data_dirs)}")
        if args.fix.exists():
            raise ValueError(f"--fix: {args.fix} exists already; name another directory")
    stopped = []
    with workers_of(args) as workers:
        for path in args.data_dirs:
            outcome = _check(Path(path), args, workers)
            for fault in outcome.faults:
                print(fault)
            print(f"{path}: {_summary(outcome)}", flush=True)
            if any(fault.harm is not Harm.NOTE for fault in outcome.faults):
                stopped.append(path)
            if args.fix is not None:
                _fix(outcome, args.fix)
                stopped = []
    if stopped:
        raise ValueError(
            f"faults in {', '.join(map(str, stopped))} (above); --fix OUT writes a clean copy"
        )


def _check(path: Path, args: argparse.Namespace, workers: Workers) -> _Outcome:
    checked = check_dir(path)
    faults, left_out = list(checked.faults), dict(checked.left_out)
    seconds = None
    if not args.no_audio:
        from speechmoe_espnet.data.audio_check import check_audio

        audio = check_audio(checked, FbankConfig().sample_frequency, workers, cli.progress)
        faults = sorted([*faults, *audio.faults], key=lambda fault: (fault.file, fault.line))
        left_out |= audio.left_out
        seconds = sum(audio.seconds.values())
    return _Outcome(checked, faults, left_out, seconds)


def _summary(outcome: _Outcome) -> str:
    data, number = outcome.checked.data, outcome.checked.num_utterances
    words = [f"{number} utterances"]
    if data is not None:
        words += [f"{len(data.wav_scp)} recordings", f"{len(set(data.utt2spk.values()))} speakers"]
    if outcome.seconds is not None:
        words.append(f"{outcome.seconds / 3600:.2f} h")
    faults = [fault for fault in outcome.faults if fault.harm is not Harm.NOTE]
    words.append(f"{len(faults)} faults" + (f" ({count_kinds(faults)})" if faults else ""))
    if notes := len(outcome.faults) - len(faults):
        words.append(f"{notes} notes")
    if outcome.left_out:
        words.append(f"{number - len(outcome.left_out)} utterances without a fault")
    return ", ".join(words)


def _fix(outcome: _Outcome, out: Path) -> None:
    data = outcome.checked.data
    clean = None if data is None else data.part(set(data.text) - outcome.left_out.keys())
    if clean is None:
        raise ValueError(f"--fix: nothing of {outcome.checked.path} can be used")
    clean.write(out)
    write_left_out(out / LEFT_OUT, outcome.left_out)
    print(
        f"{out}: {len(clean.text)} utterances; {len(outcome.left_out)} left out, see "
        f"{out / LEFT_OUT}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return cli.run(validate, get_parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
