"""Grids of experiments: several systems and seeds through a recipe, and what came out."""
