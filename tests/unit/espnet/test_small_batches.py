"""A batch with fewer utterances than processes: one line with option and cure."""

from argparse import Namespace

import pytest
import typeguard
from espnet2.samplers.build_batch_sampler import build_batch_sampler
from espnet2.tasks.abs_task import AbsTask

from speechmoe_espnet.espnet.lm_task import CheckpointedLMTask
from speechmoe_espnet.espnet.task import SpeechMoEASRTask
from speechmoe_espnet.system.cli import is_own_mistake


@pytest.mark.parametrize("task", [SpeechMoEASRTask, CheckpointedLMTask])
@pytest.mark.parametrize(
    ("part", "kinds", "option"),
    [
        ("train", ("numel", None), "raise batch_bins,"),
        ("train", ("unsorted", "length"), "raise batch_size,"),
        ("valid", ("folded", "length"), "raise valid_batch_bins,"),
        ("valid", ("sorted", None), "raise valid_batch_size,"),
    ],
)
def test_option_and_cure_are_told(monkeypatch, task, part, kinds, option):
    def refuse(*args):
        raise RuntimeError("The batch-size must be equal or more than world_size: 1 < 2")

    monkeypatch.setattr(AbsTask, "build_iter_factory", refuse)
    args = Namespace(batch_type=kinds[0], valid_batch_type=kinds[1])
    with pytest.raises(ValueError, match=rf"^{part}: a batch of 1 utterance .* 2 proc.*{option}"):
        task.build_iter_factory(args, None, part)


def test_espnet_still_says_it_in_these_words(monkeypatch, tmp_path):
    """The trial of ESPnet's own code: two processes, one utterance."""
    (tmp_path / "shape").write_text("a 3,4\n")
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 0)
    args = Namespace(sort_in_batch="descending", sort_batch="descending", drop_last_iter=False)
    args.fold_length, args.batch_type, args.valid_batch_type = [], "unsorted", None
    args.iterator_type, args.valid_iterator_type = "sequence", None
    options = Namespace(
        data_path_and_name_and_type=[(str(tmp_path / "x"), "speech", "kaldi_ark")],
        batch_type="unsorted",
        shape_files=[str(tmp_path / "shape")],
        batch_size=2,
        batch_bins=0,
        num_batches=None,
        distributed=True,
    )
    sequence = AbsTask.build_sequence_iter_factory.__func__
    monkeypatch.setattr(
        AbsTask, "build_iter_factory", lambda *_: sequence(SpeechMoEASRTask, args, options, "train")
    )
    said = "raise batch_size, give train more"
    with typeguard.suppress_type_checks(), pytest.raises(ValueError, match=said):
        SpeechMoEASRTask.build_iter_factory(args, None, "train")


def test_what_espnet_refuses_is_one_line_too(monkeypatch):
    def refuse(*args):
        build_batch_sampler(
            type="folded", batch_size=2, batch_bins=0, shape_files=["x"], fold_lengths=[]
        )

    monkeypatch.setattr(AbsTask, "build_iter_factory", refuse)
    with pytest.raises(ValueError, match=r"^valid: The number of fold_lengths") as found:
        SpeechMoEASRTask.build_iter_factory(Namespace(), None, "valid")
    assert is_own_mistake(found.value)


def test_other_errors_stay(monkeypatch):
    def refuse(*args):
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(AbsTask, "build_iter_factory", refuse)
    with pytest.raises(RuntimeError, match="CUDA error"):
        SpeechMoEASRTask.build_iter_factory(Namespace(), None, "train")
