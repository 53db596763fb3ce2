"""SpeechMoE encoders for ESPnet2: the paper's DFSMN backbone and a Conformer.

Names of shapes are those of `speechmoe_espnet.moe`; T is fbank frames and T' encoder frames.
"""
