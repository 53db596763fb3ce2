"""SpeechMoE encoders and staged Mandarin recipes for ESPnet2.

Importing this package is fast; ESPnet is imported at the first use of `Speech2Text`. Once a task of
ESPnet that takes our encoders is imported as well, its tables have them, our model and frontend.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from speechmoe_espnet.system.after_import import after_import

if TYPE_CHECKING:
    from speechmoe_espnet.inference.speech2text import Speech2Text

__version__ = "0.1.0"
__all__ = ["Speech2Text", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Speech2Text":
        from speechmoe_espnet.espnet.known_noise import without_known_noise

        with without_known_noise():
            from speechmoe_espnet.inference.speech2text import Speech2Text

        return Speech2Text
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _register(task: str) -> None:
    from speechmoe_espnet.espnet.registry import register

    register(task)


for _task in ("asr", "slu", "s2t", "st"):
    after_import(f"espnet2.tasks.{_task}", partial(_register, _task))
