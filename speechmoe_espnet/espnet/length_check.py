"""Length check before training: utterances that are too short for CTC.

CTC needs a frame for every label, and one more, for a blank, between two equal labels. ESPnet's
trainer neither catches TooShortUttError nor names an utterance whose CTC loss is infinite, and that
counts as 0. This check finds both from the shape files, and reads the texts that may repeat a label
too often.
"""

import logging
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from espnet2.tasks.asr import encoder_choices, specaug_choices
from espnet2.train.class_choices import ClassChoices
from torch import Tensor

from speechmoe_espnet.augment import FeatureVariation
from speechmoe_espnet.data.fbank_config import FRONTEND, FbankConfig
from speechmoe_espnet.encoder.base import AbsSpeechMoEEncoder
from speechmoe_espnet.encoder.options import with_nested_routing
from speechmoe_espnet.espnet.data_files import entries

SHOWN = 10

type Preprocessor = Callable[[str, dict[str, Any]], Mapping[str, Any]]


def check_lengths(
    args: Namespace,
    make_preprocessor: Callable[[], Preprocessor | None] = lambda: None,
    encoder_table: ClassChoices = encoder_choices,
    spoken_text: str = "text",
) -> None:
    """Refuse training and validation data with utterances that are too short.

    Training data must be long enough at the strongest speed-up of `specaug: vary`, too.

    Shape files are taken to be in the order of the data they describe, as ESPnet's recipes give
    them. Nothing is checked, with a warning, for encoders that are not SpeechMoE and for models
    that compute their own features by something else than `kaldi_fbank` or ESPnet's default
    frontend; without one, for data without shape files of speech and text.

    Args:
        args: ESPnet's training arguments.
        make_preprocessor: Makes ESPnet's preprocessor for validation, which makes labels of texts;
            None counts no repeated labels, unless texts are labels already (type text_int).
        encoder_table: ESPnet's table of the task's encoders.
        spoken_text: Name of the text that a CTC loss is computed of.

    Raises:
        ValueError: Naming the utterances, their frames and their labels.
    """
    encoder_class = encoder_table.get_class(args.encoder)
    if not (encoder_class and issubclass(encoder_class, AbsSpeechMoEEncoder)):
        _warn(f"encoder {args.encoder} is none of SpeechMoE")
        return
    found = _features(args)
    if found is None:
        _warn(f"frontend {args.frontend} is neither {FRONTEND} nor ESPnet's default")
        return
    size, num_frames = found
    with torch.device("meta"):
        encoder = encoder_class(size, **with_nested_routing(args.encoder_conf))
    variation = _variation(args)
    for part in ("train", "valid"):
        shape_files = getattr(args, f"{part}_shape_file")
        data = getattr(args, f"{part}_data_path_and_name_and_type")
        names = [name for _, name, _ in data][: len(shape_files)]
        if {"speech", spoken_text} <= set(names):
            files = dict(zip(names, shape_files, strict=False))
            varied = variation if part == "train" else None
            text = next((path, kind) for path, name, kind in data if name == spoken_text)
            repeats = _Repeats(*text, spoken_text, make_preprocessor)
            check_shape_files(
                encoder,
                files["speech"],
                files[spoken_text],
                repeats.of,
                num_frames=num_frames,
                variation=varied,
            )


def _warn(reason: str) -> None:
    # Not logging.warning, which would set up the log before ESPnet does.
    logging.getLogger(__name__).warning(
        f"lengths are not checked: {reason}; the CTC loss of an utterance with too few frames for "
        f"its labels counts as 0"
    )


class _Repeats:
    """Counts labels that equal the one before them.

    Args:
        path: Texts or labels by utterance.
        kind: Its ESPnet type; other types than text and text_int count as without repeats.
        name: Its ESPnet name.
        make_preprocessor: See check_lengths.
    """

    def __init__(
        self,
        path: str,
        kind: str,
        name: str,
        make_preprocessor: Callable[[], Preprocessor | None],
    ) -> None:
        self.path = path
        self.kind = kind
        self.name = name
        self.make_preprocessor = make_preprocessor

    def of(self, utterances: Iterable[str]) -> dict[str, int]:
        """Count the repeats of some utterances."""
        wanted = list(utterances)
        if not wanted or self.kind not in ("text", "text_int"):
            return {}
        preprocess = self.make_preprocessor() if self.kind == "text" else None
        if self.kind == "text" and preprocess is None:
            return {}
        texts = entries(self.path)
        return {
            utt: num_repeats(labels)
            for utt in wanted
            if utt in texts
            for labels in [self._labels(utt, texts[utt], preprocess)]
        }

    def _labels(self, utt: str, text: str, preprocess: Preprocessor | None) -> Any:
        if preprocess is None:
            return np.array(text.split())
        return np.asarray(preprocess(utt, {self.name: text})[self.name])


def num_repeats(labels: np.ndarray[Any, Any]) -> int:
    """Count the labels (L,) of an utterance that equal the one before them."""
    return int(np.count_nonzero(labels[1:] == labels[:-1]))


def _features(args: Namespace) -> tuple[int, Callable[[Tensor], Tensor]] | None:
    """Values per frame, and frames of an input by its length; None for an unknown frontend."""
    if args.input_size is not None:
        return args.input_size, lambda frames: frames
    if args.frontend == FRONTEND:
        config = FbankConfig.from_frontend_conf(args.frontend_conf)
        return config.feature_size, lambda samples: config.num_frames(samples).clamp(min=0)
    if args.frontend == "default":
        hop = int(args.frontend_conf.get("hop_length", 128))
        return 80, lambda samples: samples.div(hop, rounding_mode="floor") + 1
    return None


def _variation(args: Namespace) -> FeatureVariation | None:
    """The variation of training features that may make them shorter, or None."""
    specaug_class = specaug_choices.get_class(args.specaug) if args.specaug else None
    if specaug_class is None or not issubclass(specaug_class, FeatureVariation):
        return None
    return specaug_class(**args.specaug_conf)


def check_shape_files(
    encoder: AbsSpeechMoEEncoder,
    speech_file: str,
    text_file: str,
    repeats: Callable[[Iterable[str]], Mapping[str, int]],
    *,
    num_frames: Callable[[Tensor], Tensor] = lambda frames: frames,
    variation: FeatureVariation | None = None,
    name: Callable[[str], str] = str,
) -> None:
    """Refuse a set with utterances that are too short.

    Args:
        encoder: The encoder.
        speech_file: Shape file of what `num_frames` counts the frames of.
        text_file: Shape file of the labels.
        repeats: Counts the labels that equal the one before them, for some keys of the files; a key
            that it leaves out has none.
        num_frames: Frames of inputs by their lengths.
        variation: Variation of features that may make them shorter.
        name: Makes what an error shows of a key of the files.

    Raises:
        ValueError: Naming the utterances, their frames and their labels.
    """
    speech, text = first_dimensions(speech_file), first_dimensions(text_file)
    utterances = [utt for utt in speech if utt in text]
    feats = num_frames(torch.tensor([speech[utt] for utt in utterances]))
    reason, cure = "subsampling", "encoder_conf: subsampling"
    if variation is not None and variation.options.fastest > 1:
        feats = variation.shortest_lengths(feats)
        reason, cure = f"speed-up and {reason}", f"{cure} or specaug_conf: speed"
    frames = dict(zip(utterances, encoder.output_lengths(feats).tolist(), strict=True))
    # Of L labels at most L - 1 repeat the one before.
    repeated = repeats(utt for utt in utterances if text[utt] <= frames[utt] < 2 * text[utt] - 1)
    short = []
    for utt, count in frames.items():
        again = repeated.get(utt, 0)
        if count < max(1, text[utt] + again):
            and_repeats = f", {again} of them as the one before" if again else ""
            short.append(
                f"{name(utt)} ({count} frames after {reason}, {text[utt]} labels{and_repeats})"
            )
    if short:
        more = f" and {len(short) - SHOWN} more" if len(short) > SHOWN else ""
        raise ValueError(
            f"{speech_file}: {len(short)} of {len(utterances)} utterances are too short for "
            f"CTC, which needs a frame for each label and one between equal labels: "
            f"{', '.join(short[:SHOWN])}{more}; remove them from the data, or lower {cure}"
        )


def first_dimensions(path: str) -> Mapping[str, int]:
    """Length of each utterance from an ESPnet shape file (`utt 123` or `utt 123,40`)."""
    found: dict[str, int] = {}
    for utt, shape in entries(path).items():
        length = shape.split(",")[0]
        if not (length.isascii() and length.isdecimal() and len(length) < 19):
            raise ValueError(
                f"{path}: {utt}: expected a length and sizes, such as 123,40, got "
                f"{shape[:60]!r}; make the statistics again (stage 4 of a recipe)"
            )
        found[utt] = int(length)
    return found
