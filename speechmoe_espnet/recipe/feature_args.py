"""What stages 1 and 2 are told of a corpus: to convert audio, to leave out bad utterances."""

from collections.abc import Mapping
from pathlib import Path

from speechmoe_espnet.data.faults import LEFT_OUT
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.transcripts import REFUSE
from speechmoe_espnet.recipe.recipe_options import Options
from speechmoe_espnet.recipe.shell_lines import Value


def corpus_args(options: Options, logs: str) -> list[str]:
    """Return the arguments of stage 1 for a real corpus.

    Args:
        options: Options of the run.
        logs: Folder of its logs, for the list of faults.
    """
    args = ["--corpus_dir", options.corpus_dir, "--faults", f"{logs}/faults.txt"]
    return [*args, "--skip_bad"] if options.skip_bad else args


def feature_args(options: Options, fbank: FbankConfig, caller: Path) -> Mapping[str, Value]:
    """Return the variables of stage 2.

    Args:
        options: Options of the run.
        fbank: Settings of its features.
        caller: Folder of the user, where a relative list of bad utterances lies: the stages work in
            the recipe's.
    """
    args = ["--own_corpus"] if options.is_own else []
    args += ["--skip_bad", f"{{out}}/{LEFT_OUT}"] if options.skip_bad else []
    converts = ""
    if options.is_own and (fbank.resample is None or fbank.channel is None):
        converts = (
            f" (a corpus of your own: other sample rates are resampled to "
            f"{fbank.sample_frequency} Hz and channels averaged, unless --fbank-config says "
            f"otherwise by resample and channel)"
        )
    skip_bad = str(caller / options.skip_bad) if options.skip_bad else ""
    return {"feature_args": args, "converts": converts, "skip_bad": skip_bad}


def text_args(options: Options) -> Mapping[str, Value]:
    """Return the arguments of the rule of transcripts, none where it is the default."""
    simplify = ["--simplify"] if options.simplify else []
    marks = ["--unknown_marks", options.unknown_marks] if options.unknown_marks != REFUSE else []
    return {"text_args": [*marks, *simplify], "simplify_args": simplify}
