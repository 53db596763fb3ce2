"""Padding masks against ESPnet's own, and their memory."""

import subprocess
import sys

import pytest
import torch
from espnet2.layers.global_mvn import GlobalMVN
from espnet2.legacy.nets.pytorch_backend import nets_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmoe_espnet.espnet.pad_mask import pad_mask
from speechmoe_espnet.espnet.registry import register

# As ESPnet has it, whatever was registered in this process.
ESPNETS = (
    "def of(*args):\n"
    "    return make(*args)\n"
    "import sys, torch\n"
    "from espnet2.legacy.nets.pytorch_backend.nets_utils import _make_pad_mask_traceable as make\n"
    "torch.save([of(*args) for args in torch.load(sys.argv[1])], sys.argv[2])\n"
)


def cases():
    generator = torch.Generator().manual_seed(0)
    for number in range(200):
        batch, frames, width = (int(torch.randint(1, 6, (), generator=generator)) for _ in range(3))
        lengths = torch.randint(0, frames + 2, (batch,), generator=generator)
        xs = torch.zeros(batch, frames, width)
        yield [
            (lengths, xs, 1),
            (lengths.clamp(max=width), xs, 2),
            (lengths.clamp(max=width), xs, -1),
            (lengths, xs[:, :, 0], -1),
            (lengths, xs[:, :, 0], 1),
            (lengths, None, -1),
            (lengths, None, -1, frames + 3),
        ][number % 7]


def test_masks_are_espnets(tmp_path):
    given_args = list(cases())
    torch.save(given_args, tmp_path / "args.pt")
    words = [sys.executable, "-c", ESPNETS, tmp_path / "args.pt", tmp_path / "masks.pt"]
    subprocess.run(words, check=True, capture_output=True)
    for args, expected in zip(given_args, torch.load(tmp_path / "masks.pt"), strict=True):
        found = pad_mask(*args)
        assert found.dtype == torch.bool
        assert torch.equal(found, expected), args


@settings(max_examples=50)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_masks_of_espnets_function(lengths):
    register()
    made = nets_utils.make_pad_mask(torch.tensor(lengths))
    assert made.sum().item() == sum(max(lengths) - length for length in lengths)


@pytest.mark.parametrize("hours", [1, 3])
def test_normalisation_of_hours_takes_no_square_of_frames(tmp_path, hours):
    import numpy as np

    register()
    np.savez(tmp_path / "stats.npz", count=2, sum=np.ones(4), sum_square=np.full(4, 9.0))
    frames = hours * 360_000
    normalize = GlobalMVN(tmp_path / "stats.npz")
    out, _ = normalize(torch.ones(1, frames, 4), torch.tensor([frames - 5]))
    assert not out[:, -5:].any()
    assert out[:, :-5].isfinite().all()
