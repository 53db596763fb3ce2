"""The commands, one a file: `python -m speechmoe_espnet.bin.NAME --help`.

How a process of them keeps memory is decided here, because it must be before ESPnet is imported:
torch reads the setting once, when the first large tensor is made.
"""

from speechmoe_espnet.system.allocator import keep_freed_memory

keep_freed_memory()
