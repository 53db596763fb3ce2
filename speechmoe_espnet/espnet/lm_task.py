"""ESPnet's language model task, with atomic checkpoints and a readable record of training."""

import argparse
from pathlib import Path

from espnet2.tasks.lm import LMTask

from speechmoe_espnet.espnet.checkpoints import (
    forget_averages,
    repair_after_kill,
    write_train_stats,
)
from speechmoe_espnet.espnet.data_sources import check_sources
from speechmoe_espnet.espnet.first_process import is_first_process
from speechmoe_espnet.espnet.patches import check_what_is_loaded, training_patches
from speechmoe_espnet.espnet.set_check import check_sets
from speechmoe_espnet.espnet.small_batches import SmallBatchesTold


class CheckpointedLMTask(SmallBatchesTold, LMTask):
    """ESPnet's LMTask, arguments and all; writes train_stats.jsonl when training ends.

    Its loss is the mean over characters and sentence ends: exp(loss) is the perplexity.
    """

    @classmethod
    def main_worker(cls, args: argparse.Namespace) -> None:
        """Train (or collect statistics) in this process."""
        check_what_is_loaded()
        training = not (args.collect_stats or args.dry_run)
        first = is_first_process(args)
        output_dir = Path(args.output_dir)
        if training:
            check_sources(args)
            check_sets(args, quiet=not first)
        if training and first and args.resume:
            repair_after_kill(output_dir)
            forget_averages(output_dir)
        with training_patches():
            super().main_worker(args)
        if training and first:
            write_train_stats(output_dir, args.accum_grad)
