"""Length check before training: utterances that are too short for CTC.

CTC needs a frame for every label. ESPnet's trainer neither catches TooShortUttError nor names an
utterance whose CTC loss is infinite. This check finds both from the shape files.
"""

import logging
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import torch
from espnet2.tasks.asr import encoder_choices, specaug_choices

from speechmoe_espnet.augment import FeatureVariation
from speechmoe_espnet.data.table import read_table
from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.encoder.options import with_nested_routing

SHOWN = 10


def check_lengths(args: Namespace) -> None:
    """Refuse training and validation data with utterances that are too short.

    Training data must be long enough at the strongest speed-up of `specaug: vary`, too.

    Shape files are taken to be in the order of the data they describe, as ESPnet's recipes give
    them. Nothing is checked for encoders that are not SpeechMoE, for models that compute their
    own features by something else than ESPnet's default frontend, and for data without shape
    files of speech and text.

    Args:
        args: ESPnet's training arguments.

    Raises:
        ValueError: Naming the utterances, their frames and their labels.
    """
    encoder_class = encoder_choices.get_class(args.encoder)
    if not (encoder_class and issubclass(encoder_class, AbsSpeechMoEEncoder)):
        return
    if args.input_size is None and args.frontend != "default":
        logging.warning(
            f"lengths are not checked: frontend {args.frontend} is not ESPnet's default"
        )
        return
    with torch.device("meta"):
        encoder = encoder_class(args.input_size or 80, **with_nested_routing(args.encoder_conf))
    hop = None if args.input_size else int(args.frontend_conf.get("hop_length", 128))
    variation = _variation(args)
    for part in ("train", "valid"):
        shape_files = getattr(args, f"{part}_shape_file")
        data = getattr(args, f"{part}_data_path_and_name_and_type")
        names = [name for _, name, _ in data][: len(shape_files)]
        if {"speech", "text"} <= set(names):
            files = dict(zip(names, shape_files, strict=False))
            varied = variation if part == "train" else None
            _check(encoder, files["speech"], files["text"], hop, varied)


def _variation(args: Namespace) -> FeatureVariation | None:
    """The variation of training features that may make them shorter, or None."""
    specaug_class = specaug_choices.get_class(args.specaug) if args.specaug else None
    if specaug_class is None or not issubclass(specaug_class, FeatureVariation):
        return None
    return specaug_class(**args.specaug_conf)


def _check(
    encoder: AbsSpeechMoEEncoder,
    speech_file: str,
    text_file: str,
    hop: int | None,
    variation: FeatureVariation | None,
) -> None:
    speech, text = _first_dimension(speech_file), _first_dimension(text_file)
    utterances = [utt for utt in speech if utt in text]
    samples = torch.tensor([speech[utt] for utt in utterances])
    feats = samples if hop is None else samples.div(hop, rounding_mode="floor") + 1
    reason, cure = "subsampling", "encoder_conf: subsampling"
    if variation is not None and variation.options.fastest > 1:
        feats = variation.shortest_lengths(feats)
        reason, cure = f"speed-up and {reason}", f"{cure} or specaug_conf: speed"
    frames = encoder.output_lengths(feats).tolist()
    short = [
        f"{utt} ({count} frames after {reason}, {text[utt]} labels)"
        for utt, count in zip(utterances, frames, strict=True)
        if count < max(1, text[utt])
    ]
    if short:
        more = f" and {len(short) - SHOWN} more" if len(short) > SHOWN else ""
        raise ValueError(
            f"{speech_file}: {len(short)} of {len(utterances)} utterances are too short for "
            f"CTC: {', '.join(short[:SHOWN])}{more}; remove them from the data, or lower "
            f"{cure}"
        )


def _first_dimension(path: str) -> Mapping[str, int]:
    """Length of each utterance from an ESPnet shape file (`utt 123` or `utt 123,40`)."""
    return {utt: int(shape.split(",")[0]) for utt, shape in read_table(Path(path)).items()}
