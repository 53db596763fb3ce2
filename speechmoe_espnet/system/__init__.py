"""System services: allocator, memory, provenance, command line."""
