"""Variation of features on the fly, so that no epoch of training repeats another.

Features are extracted once and read in every epoch. What ESPnet calls SpecAugment stands between
reading and normalisation and runs in training only: the place to draw a new speaker, room, noise
and microphone each time an utterance is read, at no cost in files.
"""

from speechmoe_espnet.augment.variation import FeatureVariation
from speechmoe_espnet.augment.variation_options import VariationOptions

__all__ = ["FeatureVariation", "VariationOptions"]
