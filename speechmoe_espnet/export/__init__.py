"""Trained models as ONNX files whose experts stay sparse.

A mixture of experts written down by tracing runs every expert, or scatters rows expert by expert.
Here the model is traced with feed-forward layers as single opaque nodes, which are then written
as sorted rows, one slice an expert, with each expert's weights as constants of their own, so that
a runtime packs them once.
"""
