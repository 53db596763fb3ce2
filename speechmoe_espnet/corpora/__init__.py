"""Sources of speech: synthetic sets and public corpora."""
