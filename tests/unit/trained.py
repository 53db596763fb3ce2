"""An experiment with a tiny model, trained for one step."""

from pathlib import Path
from typing import Any

import torch
import yaml
from models import batch, build, training_args


def experiment(
    path: Path, encoder: str = "speechmoe", *, autocast: bool = False, **overrides: Any
) -> Path:
    """Write config.yaml and valid.loss.ave.pth of a model that was trained for one step."""
    path.mkdir()
    model = build(encoder, **overrides)
    data = batch()
    if model.frontend is not None:
        data["speech"] = torch.randn(3, 11200)
        data["speech_lengths"] = data["speech_lengths"] * 160
    optimizer = torch.optim.Adam(model.parameters())
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss, _, _ = model(**data)
    loss.backward()
    optimizer.step()
    assert all(torch.isfinite(p).all() for p in model.parameters())
    torch.save(model.state_dict(), path / "valid.loss.ave.pth")
    args = vars(training_args(encoder, token_type="char", **overrides))
    (path / "config.yaml").write_text(yaml.safe_dump(args, allow_unicode=True))
    return path
