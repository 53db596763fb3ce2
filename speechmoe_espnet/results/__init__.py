"""Records of experiments: decoding, scores and measurements, as the report reads them."""
