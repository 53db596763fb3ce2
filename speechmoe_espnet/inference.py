"""Decode a recording in three lines of Python.

from speechmoe_espnet import Speech2Text
speech2text = Speech2Text.from_experiment("exp/synthetic/speechmoe")
text, tokens, token_ids, hypothesis = speech2text("utterance.wav")[0]
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from espnet2.bin import asr_inference

from speechmoe_espnet.data.audio import read_audio
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.data.features import compute_features
from speechmoe_espnet.experiment import load_config, portable_config, sample_rate
from speechmoe_espnet.registry import register


class Speech2Text(asr_inference.Speech2Text):
    """ESPnet's Speech2Text with SpeechMoE registered.

    It also takes the path of a recording, and computes fbank features where the model was
    trained on extracted ones.

    Args:
        asr_train_config: config.yaml of the experiment.
        asr_model_file: Its parameters.
        fbank_config: YAML of the features the model was trained on; by default fbank.yaml
            beside the configuration, else the default features.
        kwargs: ESPnet's arguments (beam_size, ctc_weight, nbest, device, ...). For a model
            without an attention decoder `ctc_weight` defaults to 1.0.

    Raises:
        ValueError: Where the features are not as wide as the model's input.
    """

    def __init__(
        self,
        asr_train_config: str | Path,
        asr_model_file: str | Path,
        fbank_config: str | Path | None = None,
        **kwargs: Any,
    ) -> None:
        register()
        asr_train_config = Path(asr_train_config)
        conf = load_config(asr_train_config)
        if conf.get("decoder") is None:
            kwargs.setdefault("ctc_weight", 1.0)
        with portable_config(conf) as config:
            super().__init__(asr_train_config=config, asr_model_file=asr_model_file, **kwargs)
        beside = asr_train_config.parent / "fbank.yaml"
        if fbank_config is None and beside.exists():
            fbank_config = beside
        self.fbank = FbankConfig() if fbank_config is None else FbankConfig.from_yaml(fbank_config)
        if conf.get("input_size") not in (None, self.fbank.feature_size):
            raise ValueError(
                f"{asr_train_config}: the model takes {conf['input_size']} features a frame, the "
                f"features have {self.fbank.feature_size}; give fbank_config= the YAML of stage 2"
            )
        frontend = self.asr_model.frontend is not None
        self.sample_rate = sample_rate(conf) if frontend else self.fbank.sample_frequency

    @classmethod
    def from_experiment(
        cls, directory: str | Path, model_file: str = "valid.loss.ave.pth", **kwargs: Any
    ) -> "Speech2Text":
        """Load config.yaml and a model file from an experiment directory.

        Raises:
            FileNotFoundError: Where one of the two is missing.
        """
        directory = Path(directory)
        for name in ("config.yaml", model_file):
            if not (directory / name).exists():
                raise FileNotFoundError(
                    f"{directory / name}: no such file; train the model first (run.sh --stage 5)"
                )
        return cls(directory / "config.yaml", directory / model_file, **kwargs)

    def __call__(self, speech: str | Path | np.ndarray | torch.Tensor, **kwargs: Any) -> Any:
        """Decode one utterance.

        Args:
            speech: Path of a recording, waveform (samples,) in [-1, 1] at the model's sample
                rate, or features (T, F) for a model trained on extracted ones.
            kwargs: ESPnet's.

        Returns:
            ESPnet's n-best list of (text, tokens, token ids, hypothesis).

        Raises:
            FileNotFoundError: Where there is no such recording.
            ValueError: Where a recording cannot be read or has another sample rate.
        """
        rate = self.sample_rate
        name = "waveform"
        if isinstance(speech, str | Path):
            name = str(speech)
            if not Path(name).exists():
                raise FileNotFoundError(f"{name}: no such file")
            speech, rate = read_audio(speech)
        if self.asr_model.frontend is None and speech.ndim == 1:
            samples = np.asarray(speech, dtype=np.float32)
            speech = compute_features(samples, rate, self.fbank, name)
        elif rate != self.sample_rate:
            raise ValueError(f"{name}: {rate} Hz, but the model was trained at {self.sample_rate}")
        return super().__call__(speech, **kwargs)
