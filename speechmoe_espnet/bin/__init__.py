"""Commands, one file each: `python -m speechmoe_espnet NAME --help`.

The allocator is set up here, because torch reads the setting only once, at the first large tensor,
and importing ESPnet makes one.
"""

from speechmoe_espnet.system.allocator import keep_freed_memory

keep_freed_memory()
