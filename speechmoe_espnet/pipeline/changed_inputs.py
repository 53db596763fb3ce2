"""Inputs of a stage that were changed since another stage made them: what a user is told."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from speechmoe_espnet.pipeline.digests import ChangedError, check_content


def check_contents(name: str, inputs: Sequence[Path], hints: Mapping[str, str]) -> None:
    """Read inputs whole: a disk flips a bit without another size or time of the file.

    Args:
        name: Name of the stage.
        inputs: What it reads.
        hints: Cure by input path.

    Raises:
        ValueError: As `changes_told`.
    """
    with changes_told(name, hints):
        for path in inputs:
            check_content(path)


@contextmanager
def changes_told(name: str, hints: Mapping[str, str]) -> Iterator[None]:
    """Say what to do where an input was changed since it was made.

    Args:
        name: Name of the stage.
        hints: Cure by input path.

    Raises:
        ValueError: An input was changed; the message names it and the cure.
    """
    try:
        yield
    except ChangedError as error:
        places = map(str, (error.target, *error.target.parents))
        hint = next((hints[place] for place in places if place in hints), "")
        made = f" ({hint})" if hint else ""
        raise ValueError(
            f"{name}: input {error}; remove it and make it again{made}, or go on with it as it is "
            "by --accept-changes"
        ) from None
