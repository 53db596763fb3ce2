"""Traditional characters as simplified ones, by OpenCC.

The same word is written 學習 and 学习. A model that was trained on one of them spells everything of
the other wrong, though it hears no worse. OpenCC comes with the extra `traditional`.
"""

from functools import cache
from typing import Any


def simplify(text: str) -> str:
    """Write traditional characters as simplified ones (OpenCC's `t2s`).

    Args:
        text: Any string.

    Raises:
        ValueError: OpenCC is not installed.
    """
    if text.isascii():
        return text
    return str(_converter().convert(text))


@cache
def _converter() -> Any:
    try:
        import opencc
    except ModuleNotFoundError:
        raise ValueError(
            "traditional characters need OpenCC; install the extra `traditional` (pip install "
            "'speechmoe_espnet[traditional]')"
        ) from None
    return opencc.OpenCC("t2s")
