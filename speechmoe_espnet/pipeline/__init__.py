"""Stages of a recipe: digests, locks, directories moved into place, processes."""
