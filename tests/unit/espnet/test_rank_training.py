"""Several processes train as one by ESPnet's trainer, with divided experts or all of them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.train.distributed_utils import DistributedOption
from models import batch, build, training_args
from rank_processes import RankError

from speechmoe_espnet.espnet.clipping import clip_grad_norm
from speechmoe_espnet.espnet.patches import trainer_scales_with_all_ranks, training_patches
from speechmoe_espnet.espnet.rank_training import RankTrainer
from speechmoe_espnet.espnet.task import SpeechMoEASRTask
from speechmoe_espnet.espnet.upcycling import load_init_param
from speechmoe_espnet.moe.expert_parallel import all_ranks

LENGTHS = ((70, 52, 31, 44, 9, 61, 38), (25, 66, 31, 80), (40, 41, 42, 43, 44, 45))
STEPS = 5
CLOSE: Any = {"atol": 1e-5, "rtol": 1e-5}
CONF = {
    "num_experts": 8,
    "expert_parallel": True,
    "router_scale": "straight_through",
}
CASES: dict[str, dict[str, Any]] = {
    "divided": {},
    "all experts everywhere": {"moe_conf": {"expert_parallel": False}},
    "all losses, by group": {
        "model_conf": {
            "load_balance_weight": 0.1,
            "router_z_weight": 0.1,
            "clip_by_group": True,
            "router_lr_scale": 0.5,
            "expert_lr_scale": 2.0,
        },
    },
    "accumulated": {"accum_grad": 2, "moe_conf": {"top_k": 2}},
    # Losses of routers are of a whole batch; these are sums over utterances.
    "losses of utterances": {"model_conf": {"alpha": 0.0, "beta": 0.0}},
    "recomputed": {"encoder_conf": {"activation_checkpointing": True}},
}


class Batches(AbsIterFactory):
    """Batches of fixed utterances, of which a rank takes every N-th as ESPnet does.

    Args:
        size: N.
        ranks: Those whose parts follow each other here.
        lengths: Frames of the utterances of some batches.
        dtype: Of the features.
    """

    def __init__(self, size, ranks, lengths=LENGTHS, dtype=torch.float32):
        self.size, self.ranks, self.lengths, self.dtype = size, ranks, lengths, dtype

    def build_iter(self, epoch, shuffle=None):
        for number in range(STEPS * len(self.ranks)):
            step, place = divmod(number, len(self.ranks))
            whole = batch(self.lengths[(epoch + step) % len(self.lengths)])
            rank = self.ranks[place]
            part = {name: value[rank :: self.size] for name, value in whole.items()}
            part["speech"] = part["speech"][:, : part["speech_lengths"].max()].to(self.dtype)
            part["text"] = part["text"][:, : part["text_lengths"].max()]
            yield [str(number) for number in range(len(part["text"]))], part


def train(
    case: str, folder: Path, epochs: int = 2, init_param: str = "", halves: bool | None = None
) -> None:
    """Train until some epochs are done, in as many processes as there are.

    Args:
        case: Name in CASES.
        folder: Where checkpoints go.
        epochs: Number of epochs.
        init_param: As ESPnet's.
        halves: None: batches of any size in float32. Else batches of even size in float64; True:
            one process takes the parts of two one after the other.
    """
    options = {name: value for name, value in CASES[case].items() if name != "moe_conf"}
    encoder_conf = {
        "moe_conf": {**CONF, **CASES[case].get("moe_conf", {})},
        "dropout_rate": 0.0,
        "embedding_conf": {"num_blocks": 1, "dropout_rate": 0.0},
        **options.pop("encoder_conf", {}),
    }
    ranks = all_ranks()
    args = training_args(
        encoder_conf=encoder_conf,
        optim="adamw",
        # A gradient of 0 up to rounding has a sign of its own in every process.
        optim_conf={"lr": 0.003, "eps": 1e-3},
        grad_clip=3.0,
        max_epoch=epochs,
        keep_nbest_models=1,
        use_tensorboard=False,
        use_matplotlib=False,
        num_att_plot=0,
        best_model_criterion=[["valid", "loss", "min"]],
        **options,
    )
    args.model_conf["report_cer"] = args.model_conf["report_wer"] = False
    args.output_dir, args.resume, args.distributed = str(folder), True, ranks is not None
    torch.manual_seed(0)
    model = SpeechMoEASRTask.build_model(args)
    batches = Batches(*((1, [0]) if ranks is None else (ranks.size, [ranks.rank])))
    if halves is not None:
        model.double()
        args.accum_grad = 2 if halves else 1
        size, parts = (2, [0, 1]) if halves else (batches.size, batches.ranks)
        batches = Batches(size, parts, LENGTHS[1:], torch.float64)
    optimizers = SpeechMoEASRTask.build_optimizers(args, model)
    if init_param:
        load_init_param(init_param, model, False)
    size, rank = (1, 0) if ranks is None else (ranks.size, ranks.rank)
    with training_patches():
        RankTrainer.run(
            model=model,
            optimizers=optimizers,
            schedulers=[None],
            train_iter_factory=batches,
            valid_iter_factory=batches,
            plot_attention_iter_factory=None,
            trainer_options=RankTrainer.build_options(args),
            distributed_option=DistributedOption(
                distributed=size > 1, dist_rank=rank, dist_world_size=size
            ),
        )


def results(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a training saved, and the statistics of its epochs without times."""
    saved = torch.load(folder / "checkpoint.pth", weights_only=False)
    stats = {
        f"{epoch} {phase} {name}": float(value)
        for epoch, phases in saved["reporter"]["stats"].items()
        for phase, values in phases.items()
        for name, value in values.items()
        if not name.endswith("time") and not name.startswith("cer")
    }
    return {"model": saved["model"], "optimizers": saved["optimizers"]}, stats


def compare(got: Path, wanted: Path, accum_grad: int = 1) -> None:
    (mine, my_stats), (theirs, their_stats) = results(got), results(wanted)
    # In one process, ESPnet reports the loss divided by accum_grad.
    for name in their_stats:
        their_stats[name] *= accum_grad if name.endswith("train loss") else 1
    assert my_stats == pytest.approx(their_stats, rel=1e-5, abs=1e-5)
    torch.testing.assert_close(mine, theirs, **CLOSE)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Folder of a training in one process, by its case."""
    found: dict[str, Path] = {}

    def trained(case: str) -> Path:
        if case not in found:
            found[case] = tmp_path_factory.mktemp("alone")
            train(case, found[case])
        return found[case]

    return trained


@pytest.mark.parametrize(
    ("case", "size"),
    [
        ("divided", 2),
        ("divided", 4),
        ("all experts everywhere", 2),
        ("all losses, by group", 4),
        ("accumulated", 2),
        ("recomputed", 2),
    ],
)
def test_processes_train_as_one(case, size, ranks, alone, tmp_path):
    ranks.run(size, train, case, tmp_path)
    compare(tmp_path, alone(case), CASES[case].get("accum_grad", 1))


@pytest.mark.parametrize("halves", [False, True])
def test_processes_train_as_one_that_accumulates_gradients(halves, ranks, tmp_path):
    """To 1e-6: one process with whole batches, or with halves of them, and two processes."""
    for folder in ("alone", "together"):
        (tmp_path / folder).mkdir()
    case = "losses of utterances" if halves else "divided"
    train(case, tmp_path / "alone", halves=halves)
    ranks.run(2, train, case, tmp_path / "together", 2, "", False)
    mine, theirs = (results(tmp_path / folder)[0] for folder in ("together", "alone"))
    torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-6)


def test_a_training_goes_on_in_another_number_of_processes(ranks, alone, tmp_path):
    ranks.run(4, train, "divided", tmp_path, 1)
    ranks.run(2, train, "divided", tmp_path, 2)
    compare(tmp_path, alone("divided"))


def fill_gradients(bad: str = "") -> torch.nn.Module:
    """A model with gradients that are each parameter's values; the last rank's may be NaN."""
    model = build(encoder_conf={"moe_conf": CONF})
    ranks = all_ranks()
    last = ranks is not None and ranks.rank == ranks.size - 1
    for name, parameter in model.named_parameters():
        parameter.grad = parameter.detach().clone()
        if bad and bad in name and last:
            parameter.grad.fill_(torch.nan)
    return model


def clipped(norm_type: float, bad: str = "") -> tuple[float, float]:
    model = fill_gradients(bad)
    norm = clip_grad_norm(model, model.parameters(), 0.5, norm_type)
    return norm.item(), model.ctc.ctc_lo.weight.grad.abs().sum().item()


@pytest.mark.parametrize("norm_type", [2.0, 1.0, float("inf")])
def test_gradients_are_clipped_by_the_norm_over_all_ranks(norm_type, ranks):
    alone = clipped(norm_type)
    assert ranks.run(4, clipped, norm_type) == [pytest.approx(alone, rel=1e-5)] * 4


def test_all_ranks_know_of_a_gradient_that_is_not_finite(ranks):
    for norm, _ in ranks.run(2, clipped, 2.0, "backbone.blocks.0.feed_forward.experts.w1"):
        assert norm != norm


def steps_with(gradient: float) -> bool:
    """Whether a scaled step, in which one rank has this gradient, changes parameters."""
    from espnet2.train import trainer

    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    with trainer_scales_with_all_ranks():
        scaler = trainer.GradScaler(device="cpu")
    scaler.scale(weight.sum()).backward()
    ranks = all_ranks()
    if ranks is not None and ranks.rank == 1:
        weight.grad.fill_(gradient)
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    return weight.detach()[0].item() != 1.0


def test_all_ranks_skip_a_step_where_one_overflows(ranks):
    assert ranks.run(2, steps_with, torch.inf) == [False, False]
    assert ranks.run(2, steps_with, 1.0) == [True, True]


def refuse(options: dict[str, Any]) -> int:
    """Build model and optimizer; return how many attention plots are left."""
    args = training_args(encoder_conf={"moe_conf": CONF}, **options)
    SpeechMoEASRTask.build_optimizers(args, SpeechMoEASRTask.build_model(args))
    return args.num_att_plot


def train_by_hand(options: dict[str, Any]) -> None:
    build(encoder_conf={"moe_conf": CONF}, **options).train()(**batch())


@pytest.mark.parametrize(
    ("size", "function", "options", "message"),
    [
        (2, train_by_hand, {}, "expert_parallel: true works under the tasks of speechmoe_espnet"),
        (3, train_by_hand, {}, "num_experts 8 among 3 processes; take 1, 2, 4, 8 processes"),
        (2, refuse, {"optim": "lamb"}, "optim: lamb takes norms of whole tensors"),
        (2, refuse, {"sharded_ddp": True}, "sharded_ddp: true cannot be combined"),
        (2, refuse, {"use_deepspeed": True}, "use_deepspeed: true cannot be combined"),
    ],
)
def test_what_cannot_work_is_one_error(size, function, options, message, ranks):
    with pytest.raises(RankError, match=f"ValueError: .*{message}"):
        ranks.run(size, function, options)


def test_attention_plots_of_the_first_process_alone_are_turned_off(ranks):
    assert ranks.run(2, refuse, {"num_att_plot": 3}) == [0, 0]
    assert refuse({"num_att_plot": 3}) == 3


def upcycled(path: str) -> torch.Tensor:
    model = build(encoder_conf={"moe_conf": CONF}, model_conf={"expert_init_redraw": 0.5})
    load_init_param(path, model, False)
    return torch.cat([p.detach().flatten(1) for _, p in sorted(experts_of(model))], dim=1)


def experts_of(model: torch.nn.Module) -> list[tuple[str, torch.nn.Parameter]]:
    return [
        item
        for item in model.named_parameters()
        if "backbone" in item[0] and ".experts." in item[0]
    ]


def test_a_dense_model_is_upcycled_at_any_number_of_ranks(ranks, tmp_path):
    dense = build(encoder_conf={"moe_conf": {"num_experts": 1}})
    torch.save(dense.state_dict(), tmp_path / "dense.pth")
    path = str(tmp_path / "dense.pth")
    assert torch.equal(torch.cat(ranks.run(4, upcycled, path)), upcycled(path))
