"""Records of experiments: what was decoded, scored and measured, as the report reads it."""
