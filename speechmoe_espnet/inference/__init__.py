"""Trained experiments: loading a model, recognising utterances and recordings."""
