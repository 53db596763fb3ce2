"""Features of a data directory, compressed; the bytes do not depend on the number of jobs."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

from speechmoe_espnet.data.ark import compressed_matrix
from speechmoe_espnet.data.audio import read_channels
from speechmoe_espnet.data.dir_check import check_dir
from speechmoe_espnet.data.faults import LEFT_OUT, FaultsError, Harm
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.kaldi_dir import DataDir, Segment, spk2utt_from, write_table
from speechmoe_espnet.data.samples import one_channel
from speechmoe_espnet.data.table import read_table
from speechmoe_espnet.data.transcripts import (
    REFUSE,
    TEXT_REPORT,
    WORDS,
    TextReport,
    TextRule,
    Transcripts,
    prepare_transcripts,
    refuse_unknown_marks,
)
from speechmoe_espnet.pipeline.atomic_file import remove_unfinished, written_beside
from speechmoe_espnet.pipeline.pool import ONE_PROCESS
from speechmoe_espnet.pipeline.workers import Job, Progress, Workers, no_progress

CHUNK_SIZE = 250
FEATURES = "speechmoe_espnet.data.features"


@dataclass(frozen=True)
class Extracted:
    """What was written.

    Attributes:
        num_frames: Frames of all utterances.
        left_out: Why each utterance was left out, of the data directory (its table `left_out`) and
            here.
        converted: Number of utterances by what was converted, such as "44100 Hz".
    """

    num_frames: int
    left_out: Mapping[str, str]
    converted: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Utterance:
    name: str
    path: str
    segment: Segment


@dataclass(frozen=True)
class _Chunk:
    """Utterances that go into one ark (or none), but for those that are left out, with why."""

    utterances: tuple[_Utterance, ...]
    ark: Path | None
    config: FbankConfig
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Written:
    places: dict[str, str] = field(default_factory=dict)
    num_frames: dict[str, int] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    converted: Counter[str] = field(default_factory=Counter)


def extract_features(
    data_dir: str | Path,
    output_dir: str | Path,
    final_dir: str | Path,
    config: FbankConfig,
    workers: Workers = ONE_PROCESS,
    progress: Progress = no_progress,
    rule: TextRule | None = None,
    note: Callable[[str], None] = lambda line: None,
    *,
    skip_bad: bool = False,
) -> Extracted:
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
        workers: Processes that compute; the written bytes do not depend on them.
        progress: Shows the progress.
        rule: What transcripts go through; None: unknown marks are refused.
        note: Called with each line that says what was found in the transcripts.
        skip_bad: Whether to go on without utterances that have a fault.

    Raises:
        FileNotFoundError: There is no data directory.
        ValueError: Nothing is left of any transcript.
        FaultsError: There are faults and `skip_bad` is not set, or no utterance is left.
    """
    checked = check_dir(data_dir)
    output_dir = Path(output_dir)
    rule = rule or TextRule()
    faults = [fault for fault in checked.faults if fault.harm is Harm.STOP]
    left_out = dict(checked.left_out)
    transcripts = Transcripts({}, {}, TextReport())
    utt2spk: Mapping[str, str] = {}
    written = _Written()
    if checked.data is not None:
        marked = _unknown_marks(checked.data, rule)
        text = {name: value for name, value in checked.data.text.items() if name not in marked}
        transcripts = prepare_transcripts(checked.path / "text", text, rule)
        utt2spk = checked.data.utt2spk
        data = checked.data.part(transcripts.text)
        if data is not None:
            output_dir.mkdir(parents=True, exist_ok=True)
            written = _write_chunks(data, output_dir, Path(final_dir), config, workers, progress)
        faults += [checked.fault("text", name, "unknown mark", why) for name, why in marked.items()]
        faults += [checked.audio_fault(name, why) for name, why in written.bad.items()]
        left_out |= marked | written.bad
    if (faults and not skip_bad) or not written.places:
        raise FaultsError(data_dir, faults)
    names = sorted(written.places)
    speakers = {name: utt2spk[name] for name in names}
    write_table(output_dir / "feats.scp", written.places)
    write_table(
        output_dir / "utt2num_frames",
        {name: str(count) for name, count in written.num_frames.items()},
    )
    write_table(output_dir / "text", {name: transcripts.text[name] for name in names})
    write_table(output_dir / "utt2spk", speakers)
    write_table(output_dir / "spk2utt", spk2utt_from(speakers))
    words = {name: transcripts.words[name] for name in names if name in transcripts.words}
    if words:
        write_table(output_dir / WORDS, words)
    lines = transcripts.report.lines()
    if lines:
        transcripts.report.write(output_dir / TEXT_REPORT)
    for line in lines:
        note(f"{checked.path / 'text'}: {line}")
    if skip_bad:
        before = Path(data_dir) / LEFT_OUT
        left_out |= read_table(before) if before.is_file() else {}
    return Extracted(sum(written.num_frames.values()), left_out, written.converted)


def _unknown_marks(data: DataDir, rule: TextRule) -> dict[str, str]:
    """Return why transcripts are refused, by utterance."""
    refused: dict[str, str] = {}
    for name, value in data.text.items() if rule.unknown_marks == REFUSE else ():
        try:
            refuse_unknown_marks("text", {name: value})
        except ValueError as error:
            refused[name] = str(error).removeprefix("text: ")
    return refused


def _write_chunks(
    data: DataDir,
    output_dir: Path,
    final_dir: Path,
    config: FbankConfig,
    workers: Workers,
    progress: Progress,
) -> _Written:
    chunks = _chunks(data, output_dir, config)
    results = workers.map(_JOB, chunks)
    done = progress(results, len(chunks), f"{data.path}: blocks of {CHUNK_SIZE} utterances")
    whole = _Written()
    for number, part in enumerate(done, start=1):
        for name, offset in part.places.items():
            whole.places[name] = f"{final_dir / _ark(number)}:{offset}"
        whole.num_frames.update(part.num_frames)
        whole.bad.update(part.bad)
        whole.converted.update(part.converted)
    remove_unfinished(output_dir)
    return whole


def _ark(number: int) -> str:
    return f"feats.{number}.ark"


def _chunks(data: DataDir, output_dir: Path, config: FbankConfig) -> list[_Chunk]:
    utterances = []
    for name in data.utterances:
        segment = Segment.whole(name) if data.segments is None else data.segments[name]
        utterances.append(_Utterance(name, data.wav_scp[segment.recording], segment))
    return [
        _Chunk(
            tuple(utterances[first : first + CHUNK_SIZE]),
            output_dir / _ark(number),
            config,
        )
        for number, first in enumerate(range(0, len(utterances), CHUNK_SIZE), start=1)
    ]


def _write_chunk(chunk: _Chunk) -> _Written:
    """Write the features of a chunk; places are offsets in its ark."""
    # Imported here: torch takes seconds, and with several jobs this process never needs it.
    from speechmoe_espnet.data.features import compute_features, one_torch_thread

    config, written = chunk.config, _Written(bad=dict(chunk.left_out))
    file = nullcontext(BytesIO()) if chunk.ark is None else written_beside(chunk.ark)
    with one_torch_thread(), file as ark:
        for utterance in chunk.utterances:
            name, segment = utterance.name, utterance.segment
            if name in written.bad:
                continue
            try:
                samples, rate = read_channels(utterance.path, segment.start, segment.end)
                channel = one_channel(samples, config.channel)
                features = compute_features(channel, rate, config, name)
            except (ValueError, OSError) as error:
                written.bad[name] = str(error)
                continue
            if rate != config.sample_frequency:
                written.converted[f"{rate} Hz"] += 1
            if samples.shape[1] > 1:
                written.converted[f"{samples.shape[1]} channels"] += 1
            ark.write(f"{name} ".encode())
            written.places[name] = str(ark.tell())
            written.num_frames[name] = len(features)
            ark.write(compressed_matrix(features))
    return written


def _utterances_of(chunk: _Chunk) -> dict[str, _Chunk]:
    nowhere = replace(chunk, ark=None)
    return {utt.name: replace(nowhere, utterances=(utt,)) for utt in chunk.utterances}


def _without(chunk: _Chunk, left_out: Mapping[str, str]) -> _Chunk:
    return replace(chunk, left_out=left_out)


_JOB = Job(_write_chunk, preload=(__name__, FEATURES), split=_utterances_of, without=_without)
