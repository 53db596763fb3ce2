"""Whether a process is the first of its training, which alone writes files."""

import argparse

from espnet2.train.distributed_utils import get_rank


def is_first_process(args: argparse.Namespace) -> bool:
    """Return whether this process writes the checkpoints of a training.

    Args:
        args: ESPnet's training arguments, after `resolve_distributed_mode`; a rank that they lack
            is in the environment, where torchrun and Slurm put it.
    """
    return not args.distributed or get_rank(args.dist_rank, args.dist_launcher) in (None, 0)
