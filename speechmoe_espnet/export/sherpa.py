"""What sherpa-onnx reads of an exported file, so that its apps and bindings run it as it is.

Of its CTC models, `fire_red_asr_ctc` computes Kaldi's filter banks up to half the sample rate, of
whole frames, without dither, of 16-bit samples: the features of our recipes. `wenet_ctc` loads the
same file, but adds noise, stops at 7600 Hz and pads both ends, so that its text may differ.
Sources: `features.h`, `offline-recognizer-ctc-impl.h`, `offline-fire-red-asr-ctc-model.cc` and
`symbol-table.cc` of sherpa-onnx 2.0.1.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.tokens import BLANK, SOS_EOS, UNK
from speechmoe_espnet.export.metadata import Metadata

TOKENS = "tokens.txt"
MODEL_TYPE = "fire-red-asr-2-ctc"
PIECE_SPACE = "▁"
SPACE = "<space>"
# sherpa-onnx writes every symbol but these two, and we write neither of the tokens.
_SILENT = {UNK: "SIL", SOS_EOS: "</s>"}


def other_features(fbank: Mapping[str, Any] | None) -> str:
    """Say which option of the features sherpa-onnx does not share; "" where it computes the same.

    Args:
        fbank: Options of the features, as in fbank.yaml; None where they are not known.
    """
    if fbank is None:
        return "the options of the features are not known"
    mine, its = FbankConfig(**fbank), FbankConfig()
    for name in ("frame_length", "frame_shift", "low_freq", "deltas"):
        if getattr(mine, name) != getattr(its, name):
            return f"{name} is {getattr(mine, name)}, there {getattr(its, name)}"
    if mine.high_freq not in (0.0, mine.sample_frequency / 2):
        return f"high_freq is {mine.high_freq}, there half the sample rate"
    return ""


def sherpa_props(metadata: Metadata) -> dict[str, str]:
    """Return the metadata that sherpa-onnx reads; none where it would compute other features."""
    if other_features(metadata.fbank):
        return {}
    size = metadata.num_features
    return {
        "model_type": MODEL_TYPE,
        "vocab_size": str(len(metadata.units)),
        "subsampling_factor": str(metadata.subsampling),
        # The graph normalises.
        "cmvn_mean": ",".join(["0"] * size),
        "cmvn_inv_stddev": ",".join(["1"] * size),
    }


def sherpa_tokens(metadata: Metadata) -> str:
    """Return the text of tokens.txt, `symbol number` a unit.

    sherpa-onnx joins symbols as they are and writes a leading ▁ as a space.
    """
    _, *units = metadata.units
    symbols = [BLANK, *(_symbol(unit, metadata.token_type) for unit in units)]
    return "".join(f"{symbol} {number}\n" for number, symbol in enumerate(symbols))


def _symbol(unit: str, token_type: str) -> str:
    if unit in _SILENT:
        return _SILENT[unit]
    if unit == SPACE:
        return PIECE_SPACE
    return f"{PIECE_SPACE}{unit}" if token_type == "word" else unit


def tokens_path(model: Path, text: str) -> Path:
    """Return where the tokens of an exported file go.

    Args:
        model: The exported file.
        text: The tokens, as `sherpa_tokens` returns them.

    Returns:
        tokens.txt beside the file, or NAME.tokens.txt where that is another list, such as ESPnet's.
    """
    path = model.with_name(TOKENS)
    if path.exists() and path.read_bytes() != text.encode():
        return model.with_name(f"{model.stem}.{TOKENS}")
    return path
