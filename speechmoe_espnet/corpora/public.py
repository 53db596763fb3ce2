"""Real corpora: lhotse reads their layouts, this module writes Kaldi data directories.

Nothing is downloaded. Utterances that lhotse silently skips are counted. Data that a recipe cannot
use is an error here, before any feature is computed.
"""

import hashlib
import importlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from speechmoe_espnet.corpora.folder import FOLDER, SETS, read_folder
from speechmoe_espnet.corpora.kaldi_sets import read_kaldi_sets
from speechmoe_espnet.corpora.manifests import data_dir_from_manifests
from speechmoe_espnet.data.faults import LEFT_OUT, write_left_out
from speechmoe_espnet.data.kaldi_dir import DataDir, join_error, spk2utt_from

KALDI = "kaldi"
OWN = (KALDI, FOLDER)
"""Corpora of a user's own, which promise no sample rate and no channels."""
_NUM_WARNINGS_SHOWN = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PublicCorpus:
    """Preparation of a corpus by lhotse, and the sets of a recipe that its parts form.

    The corpus NAME is prepared by `prepare_NAME` of `lhotse.recipes.NAME`.

    Attributes:
        source: Where people get it.
        parts: lhotse's parts of each set; a set without parts is not written.
        options: Keyword arguments for the function.
        parallel: Whether the function takes `num_jobs`.
        held_out: Whether dev and test are made of speakers held out of the only part.
        language: Key under which the function returns the parts, where it has several.
        markup: Pattern of what this corpus writes in transcripts and nobody says, where the general
            rule (`data.markup`) does not know it or lhotse took its brackets away.
    """

    parts: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {name: (name,) for name in SETS}
    )
    options: Mapping[str, Any] = field(default_factory=dict)
    parallel: bool = False
    held_out: bool = False
    language: str | None = None
    markup: str | None = None
    source: str = field(kw_only=True)


_TRAIN_ONLY = {"train": ("train",)}
_WENET_SPEECH = ("M", "DEV", "TEST_NET", "TEST_MEETING")

PUBLIC_CORPORA: dict[str, PublicCorpus] = {
    "aishell": PublicCorpus(
        source="https://www.openslr.org/33 (AISHELL-1, 178 hours, 15 GB); unpack data_aishell.tgz "
        "and the archives in its folder wav"
    ),
    "aishell2": PublicCorpus(
        parallel=True,
        source="ask for it at https://www.aishelltech.com/aishell_2 (1,000 hours, for research)",
    ),
    "aidatatang_200zh": PublicCorpus(source="https://www.openslr.org/62 (200 hours)"),
    "ali_meeting": PublicCorpus(
        {"train": ("train",), "dev": ("eval",), "test": ("test",)},
        options={"mic": "near"},
        source="https://www.openslr.org/119 (119 hours)",
    ),
    "commonvoice": PublicCorpus(
        options={"languages": "zh-CN"},
        parallel=True,
        language="zh-CN",
        source="https://commonvoice.mozilla.org (zh-CN)",
    ),
    "kespeech": PublicCorpus(
        {
            "train": ("train_phase1", "train_phase2"),
            "dev": ("dev_phase1", "dev_phase2"),
            "test": ("test",),
        },
        parallel=True,
        source="https://github.com/KeSpeech/KeSpeech (1,542 hours)",
    ),
    "magicdata": PublicCorpus(
        # lhotse takes the brackets of noise marks away, and of their names FIL and SPK alone.
        markup=r"(?<![A-Z])(?:ENS|NPS|FIL|SPK)(?![A-Z])",
        source="https://www.openslr.org/68 (755 hours)",
    ),
    "primewords": PublicCorpus(
        _TRAIN_ONLY, held_out=True, source="https://www.openslr.org/47 (99 hours)"
    ),
    "speechio": PublicCorpus(
        {"test": tuple(f"SPEECHIO_ASR_ZH{i:05d}" for i in range(27))},
        source="https://github.com/SpeechColab/Leaderboard (evaluation only)",
    ),
    "stcmds": PublicCorpus(
        _TRAIN_ONLY, held_out=True, source="https://www.openslr.org/38 (110 hours)"
    ),
    "tal_asr": PublicCorpus(source="https://ai.100tal.com/dataset (100 hours)"),
    "thchs_30": PublicCorpus(source="https://www.openslr.org/18 (26 hours)"),
    "wenet_speech": PublicCorpus(
        {"train": ("M",), "dev": ("DEV",), "test": ("TEST_NET", "TEST_MEETING")},
        options={"dataset_parts": _WENET_SPEECH},
        parallel=True,
        source="ask for it at https://github.com/wenet-e2e/WenetSpeech (10,000 hours)",
    ),
}


def prepare_public(
    corpus: str,
    corpus_dir: Path,
    output_dir: Path,
    nj: int = 1,
    *,
    skip_bad: bool = False,
    note: Callable[[str], None] = logger.info,
) -> list[DataDir]:
    """Write the data directories of a real corpus.

    Args:
        corpus: A name in `PUBLIC_CORPORA`, `kaldi` for ready data directories, or `folder` for
            recordings of one's own.
        corpus_dir: Directory of the corpus, in the layout that lhotse expects; for `kaldi` the
            directory with `train`, `dev` and `test`; for `folder` see `read_folder`.
        output_dir: Directory to write, with one subdirectory per set.
        nj: Number of processes, if lhotse supports it for the corpus.
        skip_bad: Whether to go on without utterances that have a fault; the table `left_out` of
            each set then says why.
        note: Takes what a user should know of a folder.

    Returns:
        The written data directories.

    Raises:
        FaultsError: A corpus of one's own has faults, and `skip_bad` is not set.
        ValueError: The corpus is unknown, or something in it cannot be used; the message
            names the part and up to five utterances or recordings.
        FileNotFoundError: The corpus or one of its audio files does not exist.
    """
    if corpus not in (*OWN, *PUBLIC_CORPORA):
        known = ", ".join(sorted([*PUBLIC_CORPORA, *OWN]))
        raise ValueError(f"corpus must be synthetic or one of {known}; got {corpus!r}")
    if corpus != FOLDER and not corpus_dir.is_dir():
        raise FileNotFoundError(f"corpus {corpus}: no directory {corpus_dir}")
    if corpus == FOLDER:
        sets, left_out = read_folder(corpus_dir, note, skip_bad=skip_bad)
    elif corpus == KALDI:
        folders = {name: corpus_dir / name for name in SETS}
        sets, left_out = read_kaldi_sets(corpus_dir, folders, skip_bad=skip_bad)
    else:
        sets, left_out = _read_public(corpus, corpus_dir, nj, skip_bad=skip_bad)
    _check_distinct(corpus, sets)
    for name, data in sets.items():
        data.write(output_dir / name)
        if skip_bad:
            write_left_out(output_dir / name / LEFT_OUT, left_out[name])
    return [DataDir.load(output_dir / name) for name in sets]


def _read_public(
    corpus: str, corpus_dir: Path, nj: int, *, skip_bad: bool
) -> tuple[dict[str, DataDir], dict[str, Mapping[str, str]]]:
    """Return the sets, and what was left out of each: of the only part, it counts as training."""
    entry = PUBLIC_CORPORA[corpus]
    options = {**entry.options, **({"num_jobs": nj} if entry.parallel else {})}
    function = getattr(importlib.import_module(f"lhotse.recipes.{corpus}"), f"prepare_{corpus}")
    with TemporaryDirectory() as scratch:
        manifests = _call_lhotse(corpus, function, corpus_dir, scratch, options)
    if entry.language is not None:
        manifests = manifests[entry.language]
    sets, left_out = {}, {}
    for name, parts in entry.parts.items():
        bad: dict[str, str] = {}
        sets[name] = data_dir_from_manifests(
            f"corpus {corpus}, {name} in {corpus_dir}",
            [manifests[part] for part in parts],
            entry.markup,
            bad if skip_bad else None,
        )
        left_out[name] = bad
    if entry.held_out:
        sets = _hold_out(corpus, sets["train"])
    if not all(data.sorts_by_speaker for data in sets.values()):
        sets = {name: data.with_speakers_first() for name, data in sets.items()}
    return sets, {name: left_out.get(name, {}) for name in sets}


def _call_lhotse(
    corpus: str,
    function: Callable[..., Any],
    corpus_dir: Path,
    scratch: str,
    options: Mapping[str, Any],
) -> Any:
    with _collected_warnings() as warnings:
        try:
            manifests = function(corpus_dir, output_dir=scratch, **options)
        except (AssertionError, LookupError, UnicodeDecodeError) as error:
            raise ValueError(
                f"corpus {corpus}: {function.__module__}.{function.__name__} cannot read "
                f"{corpus_dir}: {type(error).__name__}: {error}; the directory must have the "
                f"corpus's own layout"
            ) from error
    if warnings:
        shown = "; ".join(warnings[:_NUM_WARNINGS_SHOWN])
        logger.warning("corpus %s: lhotse warned %d times: %s", corpus, len(warnings), shown)
    return manifests


@contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """Collect the warnings of lhotse about skipped files from the root logger."""
    messages: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    handler = Collector(logging.WARNING)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield messages
    finally:
        root.removeHandler(handler)


def _hold_out(corpus: str, data: DataDir) -> dict[str, DataDir]:
    speakers = spk2utt_from(data.utt2spk)
    sets = {}
    for name in SETS:
        members = [
            utterance
            for speaker, utterances in speakers.items()
            if _held_out_set(speaker) == name
            for utterance in utterances.split()
        ]
        part = data.part(members)
        if part is None:
            raise ValueError(
                f"corpus {corpus}: none of {len(speakers)} speakers falls into {name} (1 in 20 "
                f"goes to dev and to test); split it yourself and use --corpus kaldi"
            )
        sets[name] = part
    return sets


def _held_out_set(speaker: str) -> str:
    twentieth = int.from_bytes(hashlib.sha256(speaker.encode()).digest()[:8], "little") % 20
    return {0: "dev", 1: "test"}.get(twentieth, "train")


def _check_distinct(corpus: str, sets: Mapping[str, DataDir]) -> None:
    seen: dict[str, str] = {}
    for name, data in sets.items():
        for utterance in data.text:
            other = seen.setdefault(utterance, name)
            if other != name:
                raise join_error(f"corpus {corpus}", f"has in {other} and {name}", [utterance])
