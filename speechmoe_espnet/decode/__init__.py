"""Batched CTC decoding: searches, graphs, tuning and hypothesis files."""
