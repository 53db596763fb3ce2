"""CER by jiwer, paired bootstrap intervals and the report."""
