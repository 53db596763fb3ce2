"""Decoding graph: CTC topology, lexicon and grammar composed into one transducer."""
