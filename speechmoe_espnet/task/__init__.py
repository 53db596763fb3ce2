"""ESPnet3: what its configurations name, at paths that stay when modules elsewhere move.

`task: speechmoe_espnet.task.SpeechMoEASRTask` in a training configuration is enough; `run.py` may
be ESPnet3's own. After `import speechmoe_espnet.task` packed models load. `system` adds tokenizers,
`kaldi_dataset` reads Kaldi data directories.
"""

from speechmoe_espnet.task.espnet3_task import SpeechMoEASRTask

__all__ = ["SpeechMoEASRTask"]
