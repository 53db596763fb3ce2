"""Features of a data directory, compressed; the bytes do not depend on the number of jobs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechmoe_espnet.data.ark import compressed_matrix
from speechmoe_espnet.data.audio import read_samples
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.kaldi_dir import (
    DataDir,
    Segment,
    spk2utt_from,
    validate_data_dir,
    write_table,
)
from speechmoe_espnet.data.transcripts import (
    TEXT_REPORT,
    WORDS,
    TextRule,
    prepare_transcripts,
)
from speechmoe_espnet.pipeline.pool import Progress, no_progress, ordered_map

CHUNK_SIZE = 250
MAX_BAD = 10
FEATURES = "speechmoe_espnet.data.features"


@dataclass(frozen=True)
class _Utterance:
    name: str
    path: str
    segment: Segment


@dataclass(frozen=True)
class _Chunk:
    utterances: tuple[_Utterance, ...]
    ark: Path
    config: FbankConfig


@dataclass(frozen=True)
class _Written:
    offsets: dict[str, int]
    num_frames: dict[str, int]
    bad: tuple[str, ...]


def extract_features(
    data_dir: str | Path,
    output_dir: str | Path,
    final_dir: str | Path,
    config: FbankConfig,
    num_jobs: int = 1,
    progress: Progress = no_progress,
    rule: TextRule | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> int:
    """Compute the features of a data directory.

    Writes feats.scp, feats.<n>.ark (compressed, CHUNK_SIZE utterances each), utt2num_frames,
    text (normalised), utt2spk and spk2utt. Utterances of which no text is left are left out. Where
    it is not empty, text_report.json says what was found in the transcripts, and words has the
    words of those with neighbouring Latin words.

    Args:
        data_dir: Data directory to read.
        output_dir: Directory to write, made if needed.
        final_dir: Final path of the output directory; feats.scp points there.
        config: Options of the features.
        num_jobs: Number of processes; the written bytes do not depend on it.
        progress: Shows the progress.
        rule: What transcripts go through; None: unknown marks are refused.
        note: Called with each line that says what was found in the transcripts.

    Returns:
        Number of frames.

    Raises:
        FileNotFoundError: A file of the data directory, or an audio file, does not exist.
        ValueError: The directory is not valid, transcripts have unknown marks, or utterances have
            no usable audio; up to MAX_BAD of them are named with the reason.
    """
    data = validate_data_dir(data_dir)
    output_dir, final_dir = Path(output_dir), Path(final_dir)
    transcripts = prepare_transcripts(data.path / "text", data.text, rule)
    names = sorted(transcripts.text)
    output_dir.mkdir(parents=True, exist_ok=True)
    chunks = _chunks(data, names, output_dir, config)
    scp: dict[str, str] = {}
    num_frames: dict[str, int] = {}
    bad: list[str] = []
    results = ordered_map(_write_chunk, chunks, num_jobs, preload=[__name__, FEATURES])
    for chunk, written in zip(
        chunks,
        progress(results, len(chunks), f"{data.path}: blocks of {CHUNK_SIZE} utterances"),
        strict=True,
    ):
        for name, offset in written.offsets.items():
            scp[name] = f"{final_dir / chunk.ark.name}:{offset}"
        num_frames.update(written.num_frames)
        bad += written.bad
        if len(bad) >= MAX_BAD:
            break
    if bad:
        raise _bad_utterances(data.path, bad)
    write_table(output_dir / "feats.scp", scp)
    write_table(
        output_dir / "utt2num_frames", {name: str(count) for name, count in num_frames.items()}
    )
    write_table(output_dir / "text", transcripts.text)
    utt2spk = {name: data.utt2spk[name] for name in names}
    write_table(output_dir / "utt2spk", utt2spk)
    write_table(output_dir / "spk2utt", spk2utt_from(utt2spk))
    if transcripts.words:
        write_table(output_dir / WORDS, transcripts.words)
    lines = transcripts.report.lines()
    if lines:
        transcripts.report.write(output_dir / TEXT_REPORT)
    for line in lines:
        note(f"{data.path / 'text'}: {line}")
    return sum(num_frames.values())


def _bad_utterances(path: Path, bad: list[str]) -> ValueError:
    lines = "\n  ".join(bad[:MAX_BAD])
    more = "\n  (stopped here; there may be more)" if len(bad) >= MAX_BAD else ""
    return ValueError(f"{path}: utterances that cannot be used:\n  {lines}{more}")


def _chunks(
    data: DataDir, names: Sequence[str], output_dir: Path, config: FbankConfig
) -> list[_Chunk]:
    utterances = []
    for name in names:
        segment = Segment.whole(name) if data.segments is None else data.segments[name]
        utterances.append(_Utterance(name, data.wav_scp[segment.recording], segment))
    return [
        _Chunk(
            tuple(utterances[first : first + CHUNK_SIZE]),
            output_dir / f"feats.{number}.ark",
            config,
        )
        for number, first in enumerate(range(0, len(utterances), CHUNK_SIZE), start=1)
    ]


def _write_chunk(chunk: _Chunk) -> _Written:
    # Imported here: torch takes seconds, and with several jobs this process never needs it.
    from speechmoe_espnet.data.features import compute_features, one_torch_thread

    offsets: dict[str, int] = {}
    num_frames: dict[str, int] = {}
    bad: list[str] = []
    with one_torch_thread(), chunk.ark.open("wb") as ark:
        for utterance in chunk.utterances:
            try:
                samples, rate = read_samples(
                    utterance.path, utterance.segment.start, utterance.segment.end
                )
                features = compute_features(samples, rate, chunk.config, utterance.name)
            except (ValueError, OSError) as error:
                bad.append(f"{utterance.name} ({utterance.path}): {error}")
                if len(bad) >= MAX_BAD:
                    break
                continue
            ark.write(f"{utterance.name} ".encode())
            offsets[utterance.name] = ark.tell()
            num_frames[utterance.name] = len(features)
            ark.write(compressed_matrix(features))
    return _Written(offsets, num_frames, tuple(bad))
