"""Mixture-of-experts feed-forward layers in plain PyTorch.

This package knows neither ESPnet nor recipes. Shapes used throughout:

    B  utterances in a batch                D  model width
    T  frames (padded)                      H  hidden width of an expert
    M  frames of a batch, B T               E  experts
    K  experts chosen per frame             De width of the shared embedding
    N  rows given to the experts, M K
"""

from speechmoe_espnet.moe.expert_init import ExpertInit
from speechmoe_espnet.moe.experts import Experts
from speechmoe_espnet.moe.layer import MoEFeedForward
from speechmoe_espnet.moe.losses import (
    mean_importance_loss,
    router_z_loss,
    sparsity_l1_loss,
    switch_load_balance_loss,
)
from speechmoe_espnet.moe.router import Router, Routing, embedding_logits
from speechmoe_espnet.moe.routing_options import MoEOptions

__all__ = [
    "ExpertInit",
    "Experts",
    "MoEFeedForward",
    "MoEOptions",
    "Router",
    "Routing",
    "embedding_logits",
    "mean_importance_loss",
    "router_z_loss",
    "sparsity_l1_loss",
    "switch_load_balance_loss",
]
