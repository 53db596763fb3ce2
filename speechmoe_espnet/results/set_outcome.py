"""Results of one system on one set, read from the files of its decoding and scoring."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from speechmoe_espnet.data.json_files import number, read_object
from speechmoe_espnet.decode.resources import Resources
from speechmoe_espnet.results.routing import RoutingExample, RoutingSummary
from speechmoe_espnet.scoring.cer import Counts, UtteranceScore, pool, pool_by_speaker
from speechmoe_espnet.scoring.mixed import read_mixed
from speechmoe_espnet.scoring.score_files import read_scores

SCORE, SYLLABLE_SCORE = "score", "score_ser"


@dataclass(frozen=True)
class SetOutcome:
    """Results of one system on one set.

    Attributes:
        metric: `cer` or `ser`.
        utterances: The utterances, sorted by id.
        seconds_audio: Duration of the set in seconds.
        seconds_decode: Decoding time in seconds.
        threads: Number of decoding threads, None if not recorded.
        measured_with: Decoding processes, threads and device in words, None if not recorded.
        routing: Load of the experts by layer, None for a dense model.
        example: Routing of one utterance, None for a dense model.
        syllables: The same utterances scored in units (syllables and phones), sorted by id; None
            if not scored in units.
        mixed: Pooled counts in characters and Latin words; None where references have no Latin
            words.
    """

    metric: str
    utterances: tuple[UtteranceScore, ...]
    seconds_audio: float
    seconds_decode: float
    threads: int | None
    routing: RoutingSummary | None
    example: RoutingExample | None
    syllables: tuple[UtteranceScore, ...] | None = None
    measured_with: str | None = None
    mixed: Counts | None = None

    @property
    def counts(self) -> Counts:
        """Pooled counts of the set."""
        return pool(self.utterances)

    @property
    def syllable_counts(self) -> Counts | None:
        """Pooled counts of the set in units; None if not scored in units."""
        return None if self.syllables is None else pool(self.syllables)

    def speaker_rates(self) -> dict[str, float]:
        """Return the error rate in percent by speaker."""
        return {spk: counts.cer for spk, counts in pool_by_speaker(self.utterances).items()}


def load_set_outcome(directory: Path, *, scored_in_units: Sequence[str]) -> SetOutcome:
    """Read the results of a set.

    Args:
        directory: The set's folder of a decoding.
        scored_in_units: The decoding's sets that were scored in units; empty where none was.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or scores are of other utterances or in another metric.
    """
    metric, utterances = read_scores(directory / SCORE)
    syllables = _load_syllables(directory, utterances, scored_in_units)
    rtf_path = directory / "rtf.json"
    rtf = read_object(rtf_path, ("seconds_audio", "seconds_decode"))
    seconds_audio = number(rtf, "seconds_audio", rtf_path)
    seconds_decode = number(rtf, "seconds_decode", rtf_path)
    if seconds_audio <= 0:
        raise ValueError(f"{rtf_path}: seconds_audio must be positive, got {seconds_audio}")
    routing, example = directory / "routing.json", directory / "routing_example.npz"
    return SetOutcome(
        metric=metric,
        utterances=utterances,
        seconds_audio=seconds_audio,
        seconds_decode=seconds_decode,
        threads=rtf.get("threads"),
        routing=RoutingSummary.load(routing) if routing.exists() else None,
        example=RoutingExample.load(example) if example.exists() else None,
        syllables=syllables,
        measured_with=Resources.words_of(rtf),
        mixed=read_mixed(directory / SCORE),
    )


def _load_syllables(
    directory: Path, utterances: Sequence[UtteranceScore], scored_in_units: Sequence[str]
) -> tuple[UtteranceScore, ...] | None:
    if not scored_in_units:
        return None
    path = directory / SYLLABLE_SCORE / "cer.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path}, but {', '.join(scored_in_units)} were scored in units; score every "
            f"set so, or remove {SYLLABLE_SCORE} of those"
        )
    metric, syllables = read_scores(path.parent)
    if metric != "ser":
        raise ValueError(f"{path}: metric must be ser, got {metric!r}; score with --metric ser")
    if [item.utt for item in syllables] != [item.utt for item in utterances]:
        raise ValueError(
            f"{path.parent}: holds other utterances than {directory / SCORE}; score both again"
        )
    return syllables
