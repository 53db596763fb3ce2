"""Batches that are too small for the processes of a training: one line instead of a traceback."""

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from espnet2.tasks.abs_task import AbsTask

from speechmoe_espnet.system.cli import is_own_mistake

_TOO_SMALL = re.compile(r"batch-size must be equal or more than world_size: (\d+) < (\d+)")


class SmallBatchesTold(AbsTask):
    """A task of ESPnet, to stand before the one whose batches it builds."""

    @classmethod
    def build_iter_factory(
        cls, args: argparse.Namespace, distributed_option: Any, mode: str, kwargs: Any = None
    ) -> Any:
        """Build ESPnet's batches; where they are too few for the processes, say what to do.

        Raises:
            ValueError: A batch has fewer utterances than there are processes.
        """
        with small_batches_told(args, mode):
            return super().build_iter_factory(args, distributed_option, mode, kwargs)


@contextmanager
def small_batches_told(args: argparse.Namespace, part: str) -> Iterator[None]:
    """Say what to do where ESPnet cannot divide a batch among the processes of a training.

    Args:
        args: ESPnet's arguments of the training.
        part: The set whose batches are made in this context: train, valid or plot_att.

    Raises:
        ValueError: Each process would not get an utterance of each batch, or ESPnet refuses the
            options of the batches.
    """
    try:
        yield
    except ValueError as error:
        if is_own_mistake(error):
            raise
        raise ValueError(f"{part}: {' '.join(str(error).split())}") from None
    except RuntimeError as error:
        found = _TOO_SMALL.search(str(error))
        if found is None:
            raise
        size, processes = map(int, found.groups())
        option = "batch_bins" if _kind(args, part) in ("numel", "length") else "batch_size"
        option = f"valid_{option}" if part == "valid" else option
        raise ValueError(
            f"{part}: a batch of {size} utterance{'s' if size > 1 else ''} cannot be divided among "
            f"{processes} processes; raise {option}, give {part} more utterances, or take at most "
            f"{size} (--num_processes, --ngpu, --num_nodes)"
        ) from None


def _kind(args: argparse.Namespace, part: str) -> str:
    kind: str = (args.valid_batch_type if part == "valid" else None) or args.batch_type
    return kind
