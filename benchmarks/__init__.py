"""Side-by-side benchmarks: systems take turns in one process, and ratios are what counts.

Absolute times on a shared machine mean nothing, and a machine's speed drifts. So the systems of
a comparison run in turn, round after round, and each round gives one ratio to the baseline.
"""

from speechmoe_espnet.system.allocator import keep_freed_memory

# As every command does: torch reads the setting once, when the first large tensor is made.
keep_freed_memory()
