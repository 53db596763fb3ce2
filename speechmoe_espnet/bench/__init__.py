"""Side-by-side benchmarks: systems take turns in one process, and ratios are what counts.

Absolute times on a shared machine mean nothing, and a machine's speed drifts. So the systems of
a comparison run in turn, round after round, and each round gives one ratio to the baseline.
"""
