"""Commands: one file each, `get_parser()` and `main(argv) -> int`."""
