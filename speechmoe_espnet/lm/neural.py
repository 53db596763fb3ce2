"""Neural language model: log-probabilities of texts by a character model trained with ESPnet.

They are computed in double precision. The last digits of float32 sums depend on the shape of a
batch, so the order of nearly tied hypotheses would depend on which texts are scored together.
"""

import argparse
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from speechmoe_espnet.data.text_norm import normalize_text
from speechmoe_espnet.data.tokens import UNK, TokenList
from speechmoe_espnet.espnet.experiment_config import DEFAULT_MODEL_FILE, load_config

PADDING = 0
DECIMALS = 9


@dataclass(frozen=True)
class CharacterPerplexity:
    """Perplexity of a text under a character model.

    Attributes:
        perplexity: exp of the mean of -ln P over characters and sentence ends.
        num_characters: Characters of the text.
        num_unknown: Characters that the model does not know.
        num_sentences: Sentences of the text.
    """

    perplexity: float
    num_characters: int
    num_unknown: int
    num_sentences: int


class NeuralLM:
    """A language model over characters.

    Args:
        lm: Called with token ids (B, L) and None, it returns logits (B, L, V) and a state. It is
            causal, so padding after a sentence has no effect. It is switched to evaluation mode
            and double precision.
        tokens: Token list of the model; `<sos/eos>` starts and ends a sentence.
        device: "cpu" or "cuda".
        batch_characters: Maximum number of characters in a batch, padding included; a longer
            sentence is a batch of its own. Results do not depend on it.

    Raises:
        ValueError: batch_characters is not at least 1.
    """

    def __init__(
        self,
        lm: torch.nn.Module,
        tokens: TokenList,
        *,
        device: str = "cpu",
        batch_characters: int = 2000,
    ) -> None:
        if batch_characters < 1:
            raise ValueError(f"batch_characters must be at least 1, got {batch_characters}")
        self.lm = lm.to(device=device, dtype=torch.float64).eval()
        self.device = device
        self.batch_characters = batch_characters
        self._ids = {token: number for number, token in enumerate(tokens.tokens)}
        self._unknown = self._ids[UNK]
        self._end = len(tokens) - 1

    @classmethod
    def from_experiment(
        cls, lm_dir: str | Path, model_file: str = DEFAULT_MODEL_FILE, **options: Any
    ) -> Self:
        """Load a model that `lm_train` trained.

        Args:
            lm_dir: Experiment directory with config.yaml.
            model_file: Checkpoint in lm_dir.
            **options: `device` and `batch_characters` of the class.

        Raises:
            FileNotFoundError: config.yaml or the checkpoint does not exist.
            ValueError: The model is not a character language model, or the checkpoint does not
                fit the configuration.
        """
        lm_dir = Path(lm_dir)
        conf_file, path = lm_dir / "config.yaml", lm_dir / model_file
        if not conf_file.is_file():
            raise FileNotFoundError(
                f"no language model configuration {conf_file}; train one with utils/train_lm.sh"
            )
        if not path.is_file():
            found = ", ".join(sorted(p.name for p in lm_dir.glob("*.pth"))) or "none"
            raise FileNotFoundError(f"no model file {path}; finish the training, or name: {found}")
        conf = load_config(conf_file)
        if missing := [key for key in ("lm", "token_type", "token_list") if key not in conf]:
            raise ValueError(
                f"{conf_file}: lacks {', '.join(missing)}; expected the config.yaml of lm_train"
            )
        if conf["token_type"] != "char":
            raise ValueError(
                f"{conf_file}: token_type is {conf['token_type']!r}; n-best lists are rescored by "
                f"a character language model; train one with token_type: char"
            )
        try:
            tokens = TokenList(tuple(conf["token_list"]))
        except ValueError as error:
            raise ValueError(f"{conf_file}: token_list: {error}") from None
        return cls(_load(conf, path), tokens, **options)

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return ln P of sentences, their ends included.

        Args:
            texts: Sentences; they are normalised here. Unknown characters count as `<unk>`.

        Returns:
            One natural logarithm per sentence, rounded to 9 decimals.
        """
        rows = [self._row(text) for text in texts]
        scores = [0.0] * len(rows)
        for numbers in self._batches(rows):
            batch = [rows[number] for number in numbers]
            for number, score in zip(numbers, self._score_batch(batch), strict=True):
                scores[number] = round(score, DECIMALS)
        return scores

    def perplexity(self, texts: Sequence[str]) -> CharacterPerplexity:
        """Compute the perplexity of a text.

        Args:
            texts: Sentences, at least one.

        Raises:
            ValueError: There is no sentence.
        """
        if not texts:
            raise ValueError("no sentences to measure the perplexity on")
        rows = [self._row(text) for text in texts]
        num_characters = sum(map(len, rows))
        return CharacterPerplexity(
            math.exp(-sum(self.score(texts)) / (num_characters + len(texts))),
            num_characters,
            sum(row.count(self._unknown) for row in rows),
            len(texts),
        )

    def _row(self, text: str) -> list[int]:
        return [self._ids.get(character, self._unknown) for character in normalize_text(text)]

    def _batches(self, rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Group the indices of rows of similar length, longest first."""
        batch: list[int] = []
        for number in sorted(range(len(rows)), key=lambda number: -len(rows[number])):
            width = len(rows[batch[0] if batch else number]) + 1
            if batch and width * (len(batch) + 1) > self.batch_characters:
                yield batch
                batch = []
            batch.append(number)
        if batch:
            yield batch

    @torch.inference_mode()
    def _score_batch(self, rows: Sequence[Sequence[int]]) -> list[float]:
        inputs = pad_sequence(
            [torch.tensor([self._end, *row]) for row in rows],
            batch_first=True,
            padding_value=PADDING,
        ).to(self.device)
        targets = pad_sequence(
            [torch.tensor([*row, self._end]) for row in rows],
            batch_first=True,
            padding_value=PADDING,
        ).to(self.device)
        logits, _ = self.lm(inputs, None)
        # The blank, 0, is the padding and never a target.
        losses = F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), reduction="none", ignore_index=PADDING
        )
        scores: list[float] = (-losses.view_as(targets).sum(dim=1)).tolist()
        return scores


def score_texts_by(
    lm_dir: Path, model_file: str, batch_characters: int, texts: Sequence[str]
) -> list[float]:
    """Return ln P of sentences by a model that this process loads once.

    Args:
        lm_dir: As for `NeuralLM.from_experiment`.
        model_file: As there.
        batch_characters: As for `NeuralLM`.
        texts: As for `NeuralLM.score`.
    """
    return _loaded(lm_dir, model_file, batch_characters).score(texts)


@cache
def _loaded(lm_dir: Path, model_file: str, batch_characters: int) -> NeuralLM:
    return NeuralLM.from_experiment(lm_dir, model_file, batch_characters=batch_characters)


def _load(conf: dict[str, Any], path: Path) -> torch.nn.Module:
    # Imported here: ESPnet takes seconds, and the rest of this module does not need it.
    from espnet2.tasks.lm import LMTask

    from speechmoe_espnet.espnet.checkpoint_file import load_into

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "dropout option adds dropout")
        try:
            model = LMTask.build_model(argparse.Namespace(**conf))
        except Exception as error:
            # ESPnet and PyTorch raise what a value makes of their code.
            reason = " ".join(str(error).split())[:200]
            raise ValueError(
                f"{path.parent / 'config.yaml'}: no language model can be built from it: "
                f"{type(error).__name__}: {reason}"
            ) from None
    load_into(model, path)
    lm: torch.nn.Module = model.lm
    return lm
