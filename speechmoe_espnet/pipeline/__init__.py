"""Stages of a recipe: digests, locks, targets moved into place, processes."""
