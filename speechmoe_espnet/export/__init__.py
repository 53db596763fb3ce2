"""Trained models as ONNX files whose experts stay sparse.

A traced mixture of experts runs every expert, or scatters rows expert by expert. Here the model is
traced with each feed-forward layer as one opaque node. The node is then written as sorted rows, one
slice per expert. Each expert's weights are constants of their own, which a runtime packs once.
"""
