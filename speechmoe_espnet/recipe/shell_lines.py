"""Values for a shell script, as lines that it reads without evaluating anything.

A line is a name, a tab and a value. A name that ends in `[]` makes an array empty, one that ends in
`+` adds an element to it. `utils/plan.sh` reads them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

type Value = str | int | Sequence[str]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def shell_lines(values: Mapping[str, Value]) -> Iterator[str]:
    """Yield the lines of scalars and arrays.

    Args:
        values: Values by name of the variable.

    Raises:
        ValueError: A value has a control character, which a line cannot hold.
    """
    for name, value in values.items():
        if isinstance(value, str | int):
            yield f"{name}\t{_checked(name, str(value))}"
            continue
        yield f"{name}[]\t"
        for element in value:
            yield f"{name}+\t{_checked(name, element)}"


def _checked(name: str, text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError(f"{name}: {text!r} has a control character, such as a line break")
    return text
