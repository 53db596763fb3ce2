"""Packed models: a trained model with all that it needs, as people share it."""
