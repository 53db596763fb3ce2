"""Where the speech comes from: synthetic sets and public corpora."""
