"""Generation of the synthetic corpus: plan, speech and recordings, in several processes."""

import shutil
import wave
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from speechmoe_espnet.corpora.synthetic import espeak, pinyin
from speechmoe_espnet.corpora.synthetic.acoustics import record
from speechmoe_espnet.corpora.synthetic.cast import Cast
from speechmoe_espnet.corpora.synthetic.corpus_plan import Utterance, plan_style
from speechmoe_espnet.corpora.synthetic.mixed_voices import MixedVoice
from speechmoe_espnet.corpora.synthetic.phonemes import to_phonemes
from speechmoe_espnet.corpora.synthetic.presets import Preset, check_styles
from speechmoe_espnet.corpora.synthetic.randomness import rng_for
from speechmoe_espnet.corpora.synthetic.signal import SAMPLE_RATE, Signal, resample, trim
from speechmoe_espnet.corpora.synthetic.spoken import Saying, Spoken
from speechmoe_espnet.corpora.synthetic.surroundings import surroundings_of
from speechmoe_espnet.corpora.synthetic.voices import Speaker, make_speakers
from speechmoe_espnet.data.kaldi_dir import DataDir
from speechmoe_espnet.pipeline.atomic_file import remove_unfinished, written_beside
from speechmoe_espnet.pipeline.pool import ONE_PROCESS
from speechmoe_espnet.pipeline.workers import Job, Workers

_UTTS_PER_TASK = 32
_SCRATCH = ".surroundings"
type _Task = partial[list[float]]
_RATE_FACTOR = {"read": (0.97, 1.03), "chat": (0.95, 1.1), "spon": (0.85, 1.2), "aishell2": (1, 1)}


def plan_corpus(
    styles: list[str], preset: Preset, seed: int, cast: Cast = make_speakers
) -> tuple[Utterance, ...]:
    """Plan all sets of a corpus.

    Args:
        styles: Some of the four styles.
        preset: Sizes.
        seed: The user's seed.
        cast: Draws the speakers.

    Raises:
        ValueError: A style is unknown, or there is not enough text.
    """
    return tuple(
        utterance
        for style in check_styles(styles)
        for utterance in plan_style(style, preset, seed, cast)
    )


def generate(
    utterances: Sequence[Utterance],
    output_dir: Path,
    seed: int,
    workers: Workers = ONE_PROCESS,
    beside: Sequence[Callable[[], None]] = (),
    spoken: Spoken | None = None,
) -> Iterator[float]:
    """Make the audio of planned utterances.

    The files depend neither on the workers nor on the other styles.

    Args:
        utterances: What `plan_corpus` returned.
        output_dir: The corpus directory; audio goes into its `wav/`.
        seed: The user's seed.
        workers: Processes that speak.
        beside: Other work for the same processes, begun before the speech; it can be pickled.
        spoken: Holds all that `natural_sayings` returns for these utterances; None where there
            is nothing natural.

    Yields:
        Seconds of audio of each utterance, in the order of the plan.

    Raises:
        ValueError: An utterance cannot be made; the message names it.
        ChildProcessError: A process was killed.
    """
    for folder in sorted({(output_dir / utterance.wav).parent for utterance in utterances}):
        folder.mkdir(parents=True, exist_ok=True)
    tasks: list[_Task] = [
        *(partial(_without_speech, work) for work in beside),
        *(partial(_make, part, output_dir, seed, spoken) for part in _parts(utterances)),
    ]
    try:
        job = Job(_do, fork=True, kind="speech", split=_utterances_of)
        for seconds in workers.map(job, tasks):
            yield from seconds
        remove_unfinished(output_dir)
    finally:
        shutil.rmtree(output_dir / _SCRATCH, ignore_errors=True)


def write_sets(utterances: Sequence[Utterance], output_dir: Path, final_dir: str) -> None:
    """Write the Kaldi directory of each set.

    Args:
        utterances: What `plan_corpus` returned.
        output_dir: The corpus directory.
        final_dir: Final path of the corpus directory; the paths in `wav.scp` start with it.
    """
    for name in sorted({utterance.set_name for utterance in utterances}):
        members = [utterance for utterance in utterances if utterance.set_name == name]
        DataDir(
            path=output_dir / name,
            wav_scp={u.name: f"{final_dir}/{u.wav}" for u in members},
            text={u.name: u.text for u in members},
            utt2spk={u.name: u.speaker.name for u in members},
        ).write(output_dir / name)


def _parts(utterances: Sequence[Utterance]) -> Iterator[Sequence[Utterance]]:
    """Cut a plan into parts, each for one newly loaded espeak-ng."""
    for _, members in groupby(utterances, key=lambda u: (u.style, u.partition)):
        group = tuple(members)
        for start in range(0, len(group), _UTTS_PER_TASK):
            yield group[start : start + _UTTS_PER_TASK]


def _do(task: _Task) -> list[float]:
    return task()


def _utterances_of(task: _Task) -> dict[str, _Task]:
    if task.func is not _make:
        return {}
    utterances, *others = task.args
    return {utterance.name: partial(_make, [utterance], *others) for utterance in utterances}


def _without_speech(work: Callable[[], None]) -> list[float]:
    work()
    return []


def _make(
    utterances: Sequence[Utterance], output_dir: Path, seed: int, spoken: Spoken | None
) -> list[float]:
    with espeak.Session() as session:
        dry = [
            _speak_naturally(utterance, utterance.speaker, spoken, seed)
            if isinstance(utterance.speaker, MixedVoice)
            else _speak(utterance, utterance.speaker, session, seed)
            for utterance in utterances
        ]
    return [
        _record(utterance, speech, output_dir, seed)
        for utterance, speech in zip(utterances, dry, strict=True)
    ]


def natural_sayings(
    utterances: Sequence[Utterance], seed: int, vocabulary: Collection[str]
) -> list[Saying]:
    """Return what the natural speakers of a plan say.

    Args:
        utterances: What `plan_corpus` returned.
        seed: The user's seed.
        vocabulary: Phonemes of the model.

    Raises:
        ValueError: An utterance has no phonemes; the message names it.
    """
    return [
        _saying(utterance, utterance.speaker, seed, vocabulary)
        for utterance in utterances
        if isinstance(utterance.speaker, MixedVoice)
    ]


def _saying(
    utterance: Utterance, voice: MixedVoice, seed: int, vocabulary: Collection[str]
) -> Saying:
    factor = _rng(utterance, seed, "rate").uniform(*_RATE_FACTOR[utterance.style])
    try:
        return Saying(to_phonemes(utterance.text, vocabulary), voice, round(factor, 3))
    except ValueError as error:
        raise ValueError(f"utterance {utterance.name}: {error}") from error


def _speak_naturally(
    utterance: Utterance, voice: MixedVoice, spoken: Spoken | None, seed: int
) -> Signal:
    if spoken is None:
        raise ValueError(f"utterance {utterance.name}: its speaker needs a folder of voices")
    return trim(spoken.read(_saying(utterance, voice, seed, spoken.voices.vocabulary)))


def _speak(utterance: Utterance, speaker: Speaker, session: espeak.Session, seed: int) -> Signal:
    rng = _rng(utterance, seed, "rate")
    try:
        spelled = pinyin.to_espeak(utterance.text)
        factor = rng.uniform(*_RATE_FACTOR[utterance.style])
        samples = session.say(spelled, speaker, factor)
    except ValueError as error:
        raise ValueError(f"utterance {utterance.name}: {error}") from error
    return trim(resample(samples, espeak.SAMPLE_RATE))


def _record(utterance: Utterance, speech: Signal, output_dir: Path, seed: int) -> float:
    rng = _rng(utterance, seed, "acoustics")
    surroundings = surroundings_of(utterance.partition, seed, output_dir / _SCRATCH)
    try:
        recording = record(speech, utterance.style, surroundings, rng)
    except ValueError as error:
        raise ValueError(f"utterance {utterance.name}: {error}") from error
    with written_beside(output_dir / utterance.wav) as beside, wave.open(beside, "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, len(recording), "NONE", ""))
        file.writeframes(recording.astype("<i2").tobytes())
    return len(recording) / SAMPLE_RATE


def _rng(utterance: Utterance, seed: int, decision: str) -> np.random.Generator:
    return rng_for(seed, utterance.style, utterance.partition, utterance.name, decision)
