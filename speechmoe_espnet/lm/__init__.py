"""Language models: their text, n-grams, and the neural language model."""
