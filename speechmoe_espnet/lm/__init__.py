"""Language models: their text, n-grams, and what a neural one learns from."""
