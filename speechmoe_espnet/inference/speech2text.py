"""Speech recognition in three lines of Python.

from speechmoe_espnet import Speech2Text
speech2text = Speech2Text.from_experiment("exp/synthetic/speechmoe")
text, tokens, token_ids, hypothesis = speech2text("utterance.wav")[0]

With `graph_dir="lang/synthetic/graph_syllable_phone5"` a syllable model writes Hanzi.
"""

from pathlib import Path
from typing import Any

import torch
from espnet2.bin import asr_inference
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError

from speechmoe_espnet.data.fbank_config import MEAN
from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.espnet.experiment_config import (
    DEFAULT_MODEL_FILE,
    load_config,
    portable_config,
    sample_rate,
)
from speechmoe_espnet.espnet.known_noise import without_known_noise
from speechmoe_espnet.inference.experiment import check_config
from speechmoe_espnet.inference.model_files import (
    experiment_files,
    model_features,
    model_files,
    word_search,
)
from speechmoe_espnet.inference.model_input import model_input
from speechmoe_espnet.inference.recognizer import Recognizer, make_recognizer
from speechmoe_espnet.inference.speech_finder import SILERO, SpeechFinder, make_speech_finder
from speechmoe_espnet.inference.transcript import Transcript
from speechmoe_espnet.inference.transcription import Transcriber


class Speech2Text(asr_inference.Speech2Text):
    """ESPnet's Speech2Text for experiments and packed models, from wherever they lie.

    It accepts the path of a recording, and computes fbank features for a model that was
    trained on extracted features.

    Args:
        asr_train_config: config.yaml of the experiment.
        asr_model_file: Checkpoint with the parameters.
        fbank_config: YAML of the features that the model was trained on; default: fbank.yaml
            beside config.yaml or, without it, the default features.
        graph_dir: Decoding graph (stage 7 of a recipe). The WFST search replaces ESPnet's search
            and writes words.
        decode_config: Decode YAML of method wfst; default: the default options of wfst.
        tuning: tuning.json (stage 8); its weights replace those of `decode_config`.
        kwargs: ESPnet's arguments (beam_size, ctc_weight, nbest, device, ...). For a model
            without an attention decoder `ctc_weight` defaults to 1.0.

    Raises:
        FileNotFoundError: A file of the graph or the tuning file is missing.
        ValueError: The feature size is not the model's input size, the graph was built for another
            model, or `decode_config` or `tuning` is given without a graph.
    """

    def __init__(
        self,
        asr_train_config: str | Path,
        asr_model_file: str | Path,
        fbank_config: str | Path | None = None,
        *,
        graph_dir: str | Path | None = None,
        decode_config: str | Path | None = None,
        tuning: str | Path | None = None,
        **kwargs: Any,
    ) -> None:
        asr_train_config = Path(asr_train_config)
        conf = load_config(asr_train_config)
        check_config(conf, asr_train_config)
        if conf.get("decoder") is None:
            kwargs.setdefault("ctc_weight", 1.0)
        with without_known_noise(), portable_config(conf) as config:
            super().__init__(asr_train_config=config, asr_model_file=asr_model_file, **kwargs)
        self.fbank = model_features(conf, asr_train_config, fbank_config)
        frontend = self.asr_model.frontend is not None
        self.sample_rate = sample_rate(conf) if frontend else self.fbank.sample_frequency
        self._conf = conf
        self._graph_dir = None if graph_dir is None else Path(graph_dir)
        words = word_search(graph_dir, decode_config, tuning)
        self._recognizer = None if words is None else self._with_search(words)
        self._default_transcriber: Transcriber | None = None

    @classmethod
    def from_experiment(
        cls, directory: str | Path, model_file: str = DEFAULT_MODEL_FILE, **kwargs: Any
    ) -> "Speech2Text":
        """Load config.yaml and a model file from an experiment directory.

        Raises:
            FileNotFoundError: One of the two files is missing.
        """
        return cls(**experiment_files(directory, model_file), **kwargs)

    @classmethod
    def from_pretrained(cls, model_tag: str | Path, **kwargs: Any) -> "Speech2Text":
        """Load a packed model (`speechmoe pack`), or an experiment.

        Nothing in a packed model is executed, and no file of it is written or read outside of its
        folder.

        Args:
            model_tag: Path of a folder or a zip, name of a model that ships with this package, or
                OWNER/NAME[@REVISION] of the Hugging Face Hub.
            kwargs: Arguments of this class; they replace what the packed model says (graph_dir,
                decode_config, tuning).

        Raises:
            FileNotFoundError: There is no such path or name.
            ValueError: It is no packed model, is damaged, or cannot be fetched from the Hub.
        """
        return cls(**{**model_files(model_tag), **kwargs})

    def __call__(self, speech: Any, rate: int | None = None, **kwargs: Any) -> Any:
        """Decode one utterance, or a list of them.

        Args:
            speech: Path of a recording in any container that libsndfile or PyAV opens; samples of
                one or more channels (see `data.waveform` for types, shapes and ranges); or
                features (T, F) for a model that was trained on extracted ones. A list of arrays,
                tensors or paths is several utterances.
            rate: Sample rate of samples in Hz; default: the model's. Other rates are converted.
            kwargs: Further arguments of ESPnet's `Speech2Text.__call__`.

        Returns:
            ESPnet's n-best list of (text, tokens, token ids, hypothesis), one for each utterance
            of a list. With a graph the text consists of words, and the hypothesis is a
            `decode.hypothesis.Hypothesis` with times in encoder frames. Input of less than
            SHORTEST_SPEECH seconds, and none at all, has one hypothesis with an empty text.

        Raises:
            FileNotFoundError: There is no such recording.
            ValueError: A recording cannot be read, or type, shape, range or rate of samples have
                no plain meaning.
        """
        if isinstance(speech, list | tuple) and all(
            isinstance(item, str | Path) or hasattr(item, "shape") for item in speech[:1] or [0]
        ):
            return [self(item, rate, **kwargs) for item in speech]
        name = str(speech) if isinstance(speech, str | Path) else "speech"
        try:
            inputs, seconds = model_input(
                speech,
                self.sample_rate if rate is None else rate,
                name,
                sample_rate=self.sample_rate,
                fbank=self.fbank if self.asr_model.frontend is None else None,
            )
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if inputs is None:
            return self._nothing()
        try:
            if self._recognizer is not None:
                return self._recognize_words(name, seconds, inputs, self._recognizer)
            return [self._visible(result) for result in super().__call__(inputs, **kwargs)]
        except TooShortUttError:
            return self._nothing()

    def transcribe(self, path: str | Path, channel: int | str = MEAN) -> Transcript:
        """Transcribe a recording of any length, with the default of `transcriber`.

        Args:
            path: A recording in any container that libsndfile or PyAV opens.
            channel: The channel to take, from 1, or "mean".

        Returns:
            Text with times and confidences.

        Raises:
            FileNotFoundError: There is no such recording.
            ValueError: It cannot be read; the message names it.
        """
        if self._default_transcriber is None:
            self._default_transcriber = self.transcriber()
        try:
            return self._default_transcriber(path, channel)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def transcriber(
        self, search: DecodeConfig | None = None, find_speech: SpeechFinder | None = None
    ) -> Transcriber:
        """Return what transcribes recordings of any length: cut at pauses, in batches.

        Args:
            search: The search; None: that of the graph if there is one, else the best path, which
                is fast. ESPnet's beam search is method espnet_joint.
            find_speech: Finds speech; None: Silero VAD.

        Raises:
            ValueError: The model has no CTC head, the search needs a file that is not there, or
                silero-vad is not installed.
        """
        if self.asr_model.ctc is None:
            raise ValueError(
                "the model has no CTC head (ctc_weight 0), which transcription needs; call "
                "Speech2Text with utterances instead"
            )
        if search is None and self._recognizer is not None:
            recognizer = self._recognizer
        else:
            recognizer = self._with_search(search or DecodeConfig.fast())
        return Transcriber(
            recognizer,
            sample_rate=self.sample_rate,
            fbank=self.fbank if self.asr_model.frontend is None else None,
            find_speech=find_speech or make_speech_finder(SILERO),
            batch_frames=(search or DecodeConfig()).batch_frames,
        )

    def _nothing(self) -> list[tuple[Any, ...]]:
        """Return the n-best list of no speech."""
        if self._recognizer is not None:
            return [("", [], [], Hypothesis((), 0.0))]
        ends = torch.tensor([self.asr_model.sos, self.asr_model.eos])
        return [("", [], [], asr_inference.Hypothesis(yseq=ends))]

    def _visible(self, result: tuple[Any, ...]) -> tuple[Any, ...]:
        """Leave out marks of sentences, which ESPnet's search writes within very short ones."""
        text, tokens, ids, hypothesis = result
        marks = {self.asr_model.sos, self.asr_model.eos}
        if not marks & set(ids):
            return result
        kept = [number for number, unit in enumerate(ids) if unit not in marks]
        tokens, ids = [tokens[number] for number in kept], [ids[number] for number in kept]
        if text is not None and self.tokenizer is not None:
            text = self.tokenizer.tokens2text(tokens)
        return text, tokens, ids, hypothesis

    def _recognize_words(
        self, name: str, seconds: float, speech: torch.Tensor, recognizer: Recognizer
    ) -> list[tuple[Any, ...]]:
        speech = speech.to(self.device, getattr(torch, self.dtype))[None]
        lengths = torch.tensor([speech.size(1)], device=speech.device)
        (recognized,), _ = recognizer.recognize_inputs([(name, seconds)], speech, lengths)
        tokens = self.asr_model.token_list
        return [
            (text, [tokens[unit] for unit in found.units], list(found.units), found)
            for text, found in zip(recognized.texts, recognized.hypotheses, strict=True)
        ]

    def _with_search(self, search: DecodeConfig) -> Recognizer:
        return make_recognizer(
            self.asr_model,
            self._conf,
            search,
            device=self.device,
            graph_dir=self._graph_dir if search.needs_graph else None,
        )
