"""Scores: CER by jiwer, paired bootstrap intervals, intervals over seeds."""
