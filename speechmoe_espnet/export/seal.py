"""Digest of an exported file inside the file, so that damage is found before it decodes.

The digest is that of the file with zeros in the place of the digest. It is found by its bytes,
because a damaged file must not be parsed.
"""

import hashlib
import re
from pathlib import Path

from speechmoe_espnet.data.placeholder import refuse_placeholder

KEY = "content_sha256"
UNSEALED = "0" * 64
# StringStringEntryProto of ONNX: the key, then field 2 with a length of 66, a JSON string.
_PLACE = re.compile(re.escape(KEY.encode()) + b'\x12\x42"([0-9a-f]{64})"')


def sealed(data: bytes) -> bytes:
    """Write the digest of a file into it.

    Args:
        data: An ONNX file whose metadata has UNSEALED for KEY.
    """
    begin, end = _place(data)
    return data[:begin] + _digest(data, begin, end) + data[end:]


def check_seal(data: bytes, source: str | Path) -> None:
    """Compare a file with the digest in it.

    Raises:
        ValueError: The file was changed since it was written, or has no digest.
    """
    refuse_placeholder(data, source)
    try:
        begin, end = _place(data)
    except ValueError:
        raise ValueError(
            f"{source}: has no digest: damaged, of an earlier version, or not a file of "
            f"`python -m speechmoe_espnet.bin.export`; export the model again"
        ) from None
    if data[begin:end] != _digest(data, begin, end):
        raise ValueError(
            f"{source}: damaged or changed since it was exported: its digest is wrong; copy it "
            f"again, or export the model again"
        )


def _place(data: bytes) -> tuple[int, int]:
    found = [match.span(1) for match in _PLACE.finditer(data)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} digests")
    return found[0]


def _digest(data: bytes, begin: int, end: int) -> bytes:
    digest = hashlib.sha256(memoryview(data)[:begin])
    digest.update(UNSEALED.encode())
    digest.update(memoryview(data)[end:])
    return digest.hexdigest().encode()
