"""Loading of features that training does not wait for.

ESPnet 202611 reads arks with omniio, which decompresses column by column and value by value:
1.5 ms for 3.5 seconds of speech, in sum a fifth of the time of training a small model. And it
checks types at run time, of every utterance anew, which takes as long as the rest of loading.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import typeguard
from espnet2.train.trainer import Trainer
from omniio.tools.kaldi import compression

from speechmoe_espnet.data.ark import decompressed_matrix

SPEECH_FEATURES = "CM"


@contextmanager
def fast_loading() -> Iterator[None]:
    """While this lasts, ESPnet decompresses features faster, and trains without type checks.

    Features have the same values. What a training is built from is checked as before. Worker
    processes that are forked meanwhile load in the same way.
    """
    decompress = compression.decompress
    run = Trainer.run.__func__

    def faster(payload: bytes, token: str, endian: str = "<") -> Any:
        if token == SPEECH_FEATURES and endian == "<":
            return decompressed_matrix(payload)
        return decompress(payload, token, endian)

    def unchecked(cls: type[Trainer], *args: Any, **kwargs: Any) -> None:
        with typeguard.suppress_type_checks():
            run(cls, *args, **kwargs)

    with (
        mock.patch.object(compression, "decompress", faster),
        mock.patch.object(Trainer, "run", classmethod(unchecked)),
    ):
        yield
