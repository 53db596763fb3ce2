"""The n-gram of a recipe: its texts, its units, and the model that it is mixed with."""

from collections.abc import Sequence

from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.recipe.directories import Directories
from speechmoe_espnet.recipe.recipe_options import SYNTHETIC, Options
from speechmoe_espnet.recipe.shell_lines import Value


def lm_variables(
    options: Options,
    names: Directories,
    decoding: DecodeConfig | None,
    texts: Sequence[str],
    grammar: str,
) -> dict[str, Value]:
    """Return what the training of an n-gram is told, as variables of `utils/recipe.sh`.

    Args:
        options: Options of the run.
        names: Its directories.
        decoding: Its search; None where nothing is decoded.
        texts: Paths of --lm-text.
        grammar: n-gram that the one of the texts is mixed with; "" for none.
    """
    # The synthetic corpus' own text holds the training transcripts already. Counted twice,
    # hardly any n-gram occurs once, and that is what Kneser-Ney smoothing estimates the
    # unseen from.
    read = [f"{names.dump}/train/text", *texts]
    if not options.lm_transcripts:
        read = [*texts]
    elif options.corpus == SYNTHETIC:
        read = [*texts, f"{names.data}/lm_text"]
    args = ["--prune_threshold", options.lm_prune] if options.lm_prune else []
    args += ["--mix_arpa", grammar] if grammar else []
    return {
        "lm_level": "char" if decoding is not None and decoding.needs_ngram else "word",
        "lm_texts": read,
        "ngram_inputs": [*read, *([grammar] if grammar else [])],
        "ngram_args": args,
    }
