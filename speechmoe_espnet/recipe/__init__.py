"""What a run of a recipe does: its options, its stages, their directories and expected times."""
