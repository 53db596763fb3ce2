"""ESPnet3's ASR system with our units: the class that a recipe's run.py launches."""

import sys
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

from espnet3.contract.stages import StageSpec
from espnet3.systems.esp2_asr.system import ASRSystem

from speechmoe_espnet.data.units import TOKEN_TYPES
from speechmoe_espnet.pipeline.stage import Stage, run
from speechmoe_espnet.task.plug_in import plug_in

_KEYS = ("token_type", "save_path", "train_dir", "nbpe")

plug_in()


class SpeechMoEASRSystem(ASRSystem):
    """ESPnet3's ASRSystem, whose stage train_tokenizer also makes characters and syllables.

    ESPnet3 builds SentencePiece tokenizers alone. With `tokenizer: token_type` (char, bpe or
    syllable_phone) the stage runs our command make_units on the `text` of `train_dir` and writes
    tokens.txt, and bpe.model for bpe, into `save_path`; a changed text or option makes them anew.
    Without `token_type` the stage is ESPnet3's.

    Importing the module makes ESPnet3 know SpeechMoE, also where `task` is ESPnet3's own and where
    a model is loaded for inference.
    """

    stages: ClassVar[tuple[StageSpec, ...]] = tuple(
        # make_units replaces the whole folder save_path, where ESPnet3 would write its log.
        replace(spec, log_dir="data_dir") if spec.name == "train_tokenizer" else spec
        for spec in ASRSystem.stages
    )

    def train_tokenizer(self, *args: Any, **kwargs: Any) -> None:
        """Make the units, unless they are up to date.

        Raises:
            ValueError: A key of `tokenizer` is unknown or missing, or has a value that is not
                allowed.
            CommandFailedError: make_units failed; its message is above.
        """
        options = self._own_tokenizer()
        if options is None:
            super().train_tokenizer(*args, **kwargs)
            return
        self._reject_stage_args("train_tokenizer", args, kwargs)
        train_dir = Path(options["train_dir"])
        words = ["--token_type", options["token_type"], "--train_dir", str(train_dir)]
        if options.get("nbpe") is not None:
            words += ["--nbpe", str(options["nbpe"])]
        command = (sys.executable, "-m", "speechmoe_espnet.bin.make_units", *words)
        run(
            Stage(
                target=Path(options["save_path"]),
                command=(*command, "--output_dir", "{out}"),
                inputs=(train_dir / "text",),
                name="train_tokenizer",
            )
        )

    def _has_tokenizer(self) -> bool:
        # Ours says itself whether it is up to date.
        return self._own_tokenizer() is None and super()._has_tokenizer()

    def _own_tokenizer(self) -> dict[str, Any] | None:
        """The section tokenizer, checked; None where it is ESPnet3's."""
        section = self.training_config.get("tokenizer")
        if section is None:
            raise ValueError(
                f"tokenizer: missing; give token_type ({', '.join(TOKEN_TYPES)}), save_path and "
                "train_dir"
            )
        if "token_type" not in section:
            return None
        if section.token_type not in TOKEN_TYPES:
            raise ValueError(
                f"tokenizer: token_type {section.token_type!r} is not one of "
                f"{', '.join(TOKEN_TYPES)}"
            )
        for key in section:
            if key not in _KEYS:
                close = get_close_matches(key, _KEYS, n=1)
                hint = f"did you mean {close[0]}? " if close else ""
                raise ValueError(
                    f"tokenizer: unknown key {key!r}; {hint}allowed: {', '.join(_KEYS)}"
                )
        for key in ("save_path", "train_dir"):
            if section.get(key) is None:
                raise ValueError(f"tokenizer: {key} is missing")
        return dict(section)
