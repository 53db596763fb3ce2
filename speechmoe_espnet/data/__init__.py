"""Kaldi data directories, features, text normalisation and units."""
