"""ESPnet3, imported once: its import takes over the root logger, which other tests look at."""

import logging
from contextlib import suppress

root = logging.getLogger()
level, handlers = root.level, root.handlers[:]
with suppress(ImportError):
    import espnet3.systems.esp2_asr.system  # noqa: F401
root.setLevel(level)
root.handlers[:] = handlers
logging.captureWarnings(False)
