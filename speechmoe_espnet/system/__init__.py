"""The machine: allocator, memory, versions, the command line."""
