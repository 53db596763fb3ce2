"""SpeechMoE encoders and staged Mandarin recipes for ESPnet2.

Importing this package is fast; ESPnet is imported at the first use of `Speech2Text`. Once ESPnet's
ASR task is imported as well, its tables have our encoders, model and frontend.
"""

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


def _register() -> None:
    from speechmoe_espnet.espnet.registry import register

    register()


after_import("espnet2.tasks.asr", _register)
