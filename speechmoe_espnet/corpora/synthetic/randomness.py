"""Random number generators of the synthetic corpora.

Each utterance has its own generator, derived from the seed and the utterance id, so its bytes do
not depend on other utterances. The partition of a sentence depends on the sentence alone: the same
words are in the same partition for every style, seed and preset.
"""

import hashlib

import numpy as np

_EVAL_SHARE, _DEV_SHARE = 0.12, 0.04


def rng_for(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator of one named decision.

    Args:
        seed: The user's seed.
        names: Name of the decision, e.g. "spon", "train", 17, "acoustics".
    """
    key = "/".join(str(part) for part in (seed, *names))
    digest = hashlib.sha256(key.encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def hash_fraction(text: str, salt: str = "") -> float:
    """Map a text to a fixed number in [0, 1)."""
    digest = hashlib.sha256(f"{salt}|{text}".encode()).digest()
    return int.from_bytes(digest[:8], "little") / 2**64


def partition_of(sentence: str) -> str:
    """Return the partition of a sentence: `train`, `dev` or `eval`.

    Args:
        sentence: Normalised text.
    """
    fraction = hash_fraction(sentence, "partition")
    if fraction < _EVAL_SHARE:
        return "eval"
    return "dev" if fraction < _EVAL_SHARE + _DEV_SHARE else "train"
