"""Variation of features on the fly, so that no epoch of training repeats another.

Features are extracted once and read in every epoch. ESPnet's SpecAugment module stands between
reading and normalisation and runs in training only. There this package draws a new speaker, room,
noise and microphone each time an utterance is read; no file is written.
"""

from speechmoe_espnet.augment.variation import FeatureVariation
from speechmoe_espnet.augment.variation_options import VariationOptions

__all__ = ["FeatureVariation", "VariationOptions"]
