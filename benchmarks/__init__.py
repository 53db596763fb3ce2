"""Benchmarks: systems take turns in one process, and ratios are compared.

Absolute times on a shared machine mean little, because its speed drifts. The systems of a
comparison therefore run in turn, round after round, and each round gives one ratio to the baseline.
"""

from speechmoe_espnet.system.allocator import keep_freed_memory

# As for every command: torch reads the setting once, at the first large tensor.
keep_freed_memory()
