"""A recogniser that workers of a test cluster load by name."""

import os
from collections.abc import Sequence

from speechmoe_espnet.decode.hypothesis import Hypothesis
from speechmoe_espnet.decode.recognized import Recognized
from speechmoe_espnet.decode.routing_summary import RoutingTotals
from speechmoe_espnet.inference.utterances import Utterance


class FakeRecognizer:
    """Recogniser whose result is the id of its process."""

    def recognize(self, batch: Sequence[Utterance]) -> tuple[list[Recognized], RoutingTotals]:
        text = str(os.getpid())
        return [
            Recognized(utt.name, (text,), ("",), (Hypothesis((), 0.0),)) for utt in batch
        ], RoutingTotals()
