"""Inference with trained experiments: loading models, recognising utterances and recordings."""
