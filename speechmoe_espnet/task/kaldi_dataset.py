"""Kaldi data directories as ESPnet3 datasets: `data_src: speechmoe_espnet.task.kaldi_dataset`.

Texts come in the form that ESPnet's own tokenizers cut into our units, so that its preprocessor,
its inference and its metrics need nothing of ours: normalised characters for `char` and `bpe`,
syllables and phones with spaces in between, which ESPnet calls words, for `syllable_phone`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espnet3.components.data.base_dataset import BaseDataset
from espnet3.components.data.dataset_builder import DatasetBuilder as AbsDatasetBuilder
from espnet3.contract import Field
from omegaconf import ListConfig

from speechmoe_espnet.data.audio import read_audio
from speechmoe_espnet.data.kaldi_dir import Segment, validate_data_dir
from speechmoe_espnet.data.text_norm import normalize_text
from speechmoe_espnet.data.units import TOKEN_TYPES, SyllablePhoneTokenizer
from speechmoe_espnet.pipeline.stage import Stage, run


class Dataset(BaseDataset):
    """Utterances of a Kaldi data directory.

    Args:
        data_dir: The directory: wav.scp, text, utt2spk, and segments where there are any.
        token_type: Units of the model: char, bpe or syllable_phone.
        sample_rate: Rate of all recordings in Hz.
        with_ids: Whether items have `utt_id`, for inference; ESPnet's batches take none.

    Raises:
        FileNotFoundError: The directory, or a file it names, does not exist.
        ValueError: The directory is not valid, or an argument is not.
    """

    fields = (Field("speech", "audio"), Field("text", "text"))

    def __init__(
        self,
        data_dir: str | Path,
        token_type: str = "char",
        sample_rate: int = 16000,
        with_ids: bool = False,
    ) -> None:
        if token_type not in TOKEN_TYPES:
            raise ValueError(f"token_type {token_type!r} is not one of {', '.join(TOKEN_TYPES)}")
        self.data = validate_data_dir(data_dir)
        self.utterances = self.data.utterances
        self.token_type = token_type
        self.sample_rate = sample_rate
        self.with_ids = with_ids

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read an utterance: `speech` (samples,) float32 in [-1, 1), and `text`.

        Raises:
            ValueError: The recording cannot be read or has another rate; the message names it.
        """
        name = self.utterances[index]
        segment = (self.data.segments or {}).get(name, Segment.whole(name))
        path = self.data.wav_scp[segment.recording]
        try:
            speech, rate = read_audio(path, segment.start, segment.end)
        except ValueError as error:
            raise ValueError(f"{self.data.path}: {name} ({path}): {error}") from None
        if rate != self.sample_rate:
            raise ValueError(
                f"{self.data.path}: {name} ({path}): {rate} Hz, but sample_rate is "
                f"{self.sample_rate}; resample the recordings or change sample_rate"
            )
        item = {"speech": speech, "text": self._text(name)}
        return item | {"utt_id": name} if self.with_ids else item

    def _text(self, name: str) -> str:
        text = self.data.text[name]
        if self.token_type == "syllable_phone":
            return " ".join(SyllablePhoneTokenizer().text_to_units(text))
        return normalize_text(text)


class DatasetBuilder(AbsDatasetBuilder):
    """The stage create_dataset: data directories of a corpus, made by the command prepare_corpus.

    Keys of `create_dataset` in the training configuration: `dataset_dir`, the folder of the data
    directories, and the command's options, such as `corpus`, `corpus_dir`, `sets`, `preset`.
    Without `corpus` the folder must be there. Finished work is left alone, a changed option makes
    the corpus anew.
    """

    def is_source_prepared(self, **kwargs: Any) -> bool:
        """True: the command itself says what it lacks."""
        return True

    def prepare_source(self, **kwargs: Any) -> None:
        """Nothing is fetched."""

    def is_built(self, **kwargs: Any) -> bool:
        """Whether the folder is there and no corpus is named that it could be made of."""
        return kwargs.get("corpus") is None and Path(kwargs["dataset_dir"]).is_dir()

    def build(self, **kwargs: Any) -> None:
        """Write the data directories, unless they are up to date.

        Raises:
            FileNotFoundError: There is neither a folder nor a corpus to make it of.
            CommandFailedError: The command failed; its message is above.
        """
        folder = Path(kwargs["dataset_dir"]).resolve()
        options = {
            key: value
            for key, value in kwargs.items()
            if key not in ("func", "dataset_dir") and value is not None
        }
        if "corpus" not in options:
            raise FileNotFoundError(
                f"no folder {folder} of data directories; set dataset_dir, or create_dataset: "
                "corpus, for instance synthetic"
            )
        words = [sys.executable, "-m", "speechmoe_espnet.bin.prepare_corpus"]
        for key, value in options.items():
            words += [
                f"--{key}",
                *map(
                    str,
                    value
                    if isinstance(value, Sequence | ListConfig) and not isinstance(value, str)
                    else [value],
                ),
            ]
        words += ["--output_dir", "{out}", "--final_dir", "{final}"]
        run(Stage(target=folder, command=tuple(words), name="create_dataset"))
