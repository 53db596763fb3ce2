"""Transcribe recordings: any format, rate and length in; text, JSON or subtitles out.

A file that cannot be transcribed is one line on stderr; the others go on, and the exit status is 1.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from speechmoe_espnet.data.audio_blocks import seconds_promised
from speechmoe_espnet.data.fbank_config import MEAN
from speechmoe_espnet.decode.config import METHODS, DecodeConfig
from speechmoe_espnet.inference.speech_finder import KINDS, SILERO, make_speech_finder
from speechmoe_espnet.inference.transcript import TimedText, Transcript
from speechmoe_espnet.inference.transcript_files import SUFFIXES, WRITERS
from speechmoe_espnet.system import cli
from speechmoe_espnet.zoo.shipped import DEFAULT

if TYPE_CHECKING:
    from speechmoe_espnet.inference.transcription import Transcriber

AUTO = "auto"
WHOLE_FILES = ("srt", "vtt")


def get_parser() -> cli.ArgumentParser:
    """Return the command's options."""
    parser = cli.ArgumentParser(prog="transcribe", description="Transcribe recordings.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="recordings")
    parser.add_argument(
        "--model",
        default=DEFAULT,
        help="packed model (folder, zip, name, OWNER/NAME of the Hub), experiment, or .onnx file "
        f"(default: {DEFAULT}, which ships)",
    )
    parser.add_argument(
        "--format",
        action="append",
        choices=tuple(WRITERS),
        help="what to write, may be given several times with --output_dir (default: text)",
    )
    parser.add_argument(
        "--output_dir", type=Path, help="folder for one file a recording; default: stdout"
    )
    parser.add_argument(
        "--search",
        choices=(AUTO, *METHODS),
        default=AUTO,
        help=f"{AUTO}: the graph of the model if it holds one, else the fast search over units; "
        "espnet_joint is ESPnet's beam search, which is slow",
    )
    parser.add_argument("--config", type=Path, help="decode YAML, in place of --search")
    parser.add_argument("--graph_dir", type=Path, help="decoding graph in place of the model's")
    parser.add_argument("--channel", default=MEAN, help="channel to take, from 1, or mean")
    parser.add_argument(
        "--vad", choices=KINDS, default=SILERO, help="how speech is found; none: all is speech"
    )
    parser.add_argument("--ngpu", type=int, choices=(0, 1), default=0, help="number of GPUs")
    parser.add_argument(
        "--num_threads", type=int, default=0, help="number of threads; 0: as the libraries choose"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments without the program name; None reads sys.argv.

    Returns:
        Exit status: 1 if a recording could not be transcribed.
    """
    return cli.run(transcribe, get_parser(), argv)


def transcribe(args: argparse.Namespace) -> None:
    """Transcribe each recording.

    Args:
        args: Parsed arguments of `get_parser`.

    Raises:
        FileNotFoundError: The model or a file of its search does not exist.
        ValueError: An option is not valid, or recordings could not be transcribed.
    """
    channel = _channel(args.channel)
    formats = list(dict.fromkeys(args.format or ["text"]))
    targets = _targets(args.files, formats, args.output_dir)
    transcriber = _transcriber(args)
    from speechmoe_espnet.inference.transcription import no_speech, reason

    if args.output_dir is not None:
        args.output_dir.mkdir(parents=True, exist_ok=True)
    failed = 0

    def parts() -> Iterator[float]:
        nonlocal failed
        for path in args.files:
            done = 0.0
            texts: list[TimedText] = []
            try:
                for part in transcriber.parts(path, channel):
                    texts += part.texts
                    yield part.seconds - done
                    done = part.seconds
            except (ValueError, OSError) as error:
                failed += _complain(path, reason(error))
                yield max(0.0, promised[path] - done)
                continue
            transcript = Transcript(path, done, tuple(texts))
            for kind in formats:
                _write(WRITERS[kind](transcript), path, targets.get((path, kind)), len(args.files))
            if not texts:
                failed += _complain(path, no_speech(done))

    promised = {path: seconds_promised(path) for path in args.files}
    total = round(sum(promised.values()))
    for _ in cli.progress(parts(), total, "transcribing (s of audio)", amount=float):
        pass
    if failed:
        raise ValueError(f"{failed} of {len(args.files)} recordings gave no text, see above")


def _complain(path: str, message: str) -> int:
    print(f"transcribe: error: {path}: {message}", file=sys.stderr, flush=True)
    return 1


def _write(content: str, path: str, target: Path | None, num_files: int) -> None:
    if target is not None:
        target.write_text(content, encoding="utf-8")
    elif num_files > 1 and not content.startswith("{"):
        sys.stdout.write("".join(f"{path}\t{line}\n" for line in content.splitlines()))
    else:
        sys.stdout.write(content)
    sys.stdout.flush()


def _channel(value: str) -> int | str:
    if value == MEAN or (value.isascii() and value.isdecimal() and int(value) > 0):
        return value if value == MEAN else int(value)
    raise ValueError(f"--channel {value}: not {MEAN} and no number of a channel, from 1")


def _targets(
    files: Sequence[str], formats: Sequence[str], output_dir: Path | None
) -> dict[tuple[str, str], Path]:
    """Return the file to write by recording and format; empty for stdout."""
    if output_dir is None:
        if len(formats) > 1:
            raise ValueError(f"--format {' '.join(formats)}: several need --output_dir")
        if len(files) > 1 and formats[0] in WHOLE_FILES:
            raise ValueError(
                f"--format {formats[0]}: of {len(files)} recordings needs --output_dir, which "
                f"has a file for each"
            )
        return {}
    owners: dict[str, str] = {}
    for path in files:
        other = owners.setdefault(Path(path).stem, path)
        if other != path:
            raise ValueError(
                f"--output_dir: {other} and {path} would be written to the same file; transcribe "
                f"them into different folders"
            )
    return {
        (path, kind): output_dir / (Path(path).stem + SUFFIXES[kind])
        for path in files
        for kind in formats
    }


def _transcriber(args: argparse.Namespace) -> "Transcriber":
    if args.num_threads < 0:
        raise ValueError(f"--num_threads must be at least 0, got {args.num_threads}")
    if args.config is not None and args.search != AUTO:
        raise ValueError(f"--config and --search {args.search}: give one of them")
    config = None
    if args.config is not None:
        config = DecodeConfig.from_yaml(args.config)
    elif args.search != AUTO:
        config = DecodeConfig.from_mapping({"method": args.search})
    # torch takes seconds to import, which mistakes in options need not wait for.
    from speechmoe_espnet.inference.load_transcriber import load_transcriber

    return load_transcriber(
        args.model,
        config,
        make_speech_finder(args.vad),
        graph_dir=args.graph_dir,
        num_gpus=args.ngpu,
        num_threads=args.num_threads,
    )


if __name__ == "__main__":
    sys.exit(main())
