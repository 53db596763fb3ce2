"""Two processes (gloo) on one machine train the same model as one process."""

import torch
import torch.distributed as dist
from models import batch, build
from torch.nn.parallel import DistributedDataParallel

# Without our trainer each process has an importance of its own; other terms add up over processes.
CONF = {
    "encoder_conf": {
        "moe_conf": {"num_experts": 8},
        "dropout_rate": 0.0,
        "embedding_conf": {"num_blocks": 1, "dropout_rate": 0.0},
    },
    "model_conf": {"beta": 0.0},
}


def gradients(model):
    return [p.grad.clone() for p in model.parameters()]


def train_apart() -> tuple[list[torch.Tensor], float]:
    """Gradients and least load of a rank with one utterance; that of the second is very short."""
    rank = dist.get_rank()
    model = DistributedDataParallel(build(**CONF))
    data = {name: value[rank : rank + 1].clone() for name, value in batch((70, 9)).items()}
    data["speech"] = data["speech"][:, : data["speech_lengths"][0]]
    data["text"] = data["text"][:, : data["text_lengths"][0]]
    loss, stats, _ = model(**data)
    loss.backward()
    return gradients(model.module), stats["expert_load_min"].item()


def test_gradients_are_the_mean_over_processes_and_experts_may_stay_empty(ranks):
    (first, _), (second, load_min) = ranks.run(2, train_apart)
    assert load_min == 0.0, "no expert was left without frames"
    model = build(**CONF)
    model(**batch((70, 9)))[0].backward()
    for one, other, together in zip(first, second, gradients(model), strict=True):
        assert torch.equal(one, other)
        torch.testing.assert_close(together, one, atol=1e-4, rtol=1e-4)
