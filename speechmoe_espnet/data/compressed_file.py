"""Files that a program compressed, told by their first bytes whatever their names are."""

_PACKERS = (
    (b"\x1f\x8b", "gzip", "gunzip"),
    (b"\xfd7zXZ\0", "xz", "unxz"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
    (b"PK\3\4", "zip", "unzip"),
)
_BZIP2 = (b"BZh", b"1AY&SY")


def packed(content: bytes) -> str:
    """Say by which program a file was compressed, and the cure; empty where it is not.

    Args:
        content: The file, or at least its first 10 bytes.
    """
    for magic, name, cure in _PACKERS:
        if content.startswith(magic):
            return f"is compressed by {name}; unpack it by `{cure}`"
    if content.startswith(_BZIP2[0]) and content[4:10] == _BZIP2[1]:
        return "is compressed by bzip2; unpack it by `bunzip2`"
    return ""
