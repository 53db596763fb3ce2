"""Two processes (gloo) on one machine train the same model as one process."""

import os

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from models import batch, build
from torch.nn.parallel import DistributedDataParallel

# Importance is a property of a whole batch; every other term adds up over processes.
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


def worker(rank, port_file, out):
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{port_file}", rank=rank, world_size=2)
    model = DistributedDataParallel(build(**CONF))
    # One utterance each; the second is so short that most experts get no frame.
    data = {name: value[rank : rank + 1].clone() for name, value in batch((70, 9)).items()}
    data["speech"] = data["speech"][:, : data["speech_lengths"][0]]
    data["text"] = data["text"][:, : data["text_lengths"][0]]
    loss, stats, _ = model(**data)
    loss.backward()
    torch.save(
        {"gradients": gradients(model.module), "load_min": stats["expert_load_min"]},
        f"{out}/{rank}.pt",
    )
    dist.destroy_process_group()


def test_gradients_are_the_mean_over_processes_and_experts_may_stay_empty(tmp_path):
    mp.spawn(worker, args=(tmp_path / "rendezvous", tmp_path), nprocs=2)
    results = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for first, second in zip(results[0]["gradients"], results[1]["gradients"], strict=True):
        assert torch.equal(first, second)
    assert results[1]["load_min"].item() == 0.0, "no expert was left without frames"

    model = build(**CONF)
    model(**batch((70, 9)))[0].backward()
    for together, apart in zip(gradients(model), results[0]["gradients"], strict=True):
        torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)
