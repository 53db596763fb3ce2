"""CTC decoding, batched."""
