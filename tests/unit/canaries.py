"""Files with a payload that makes a file, a canary, where anything of them is run."""

import io
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np


class Payload:
    """Unpickled, it makes the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return (os.system, (f"touch '{self.canary}'",))


def contents(canary: Path) -> dict[str, bytes]:
    """Contents of files that run something in a reader that is not careful, by their kind."""
    pickled = pickle.dumps(Payload(canary), protocol=2)
    objects = np.array([Payload(canary)], dtype=object)
    npy, npz = io.BytesIO(), io.BytesIO()
    np.save(npy, objects, allow_pickle=True)
    np.savez(npz, speech=objects, allow_pickle=True)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:  # as torch.save lays it out
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/version", "3\n")
        file.writestr("archive/byteorder", "little")
    shell = f"$(touch '{canary}') `touch '{canary}'`; touch '{canary}'"
    return {
        "pickle": pickled,
        "PKL matrix": b"PKL" + pickled,
        "PKL matrix in an ark": b"utt PKL" + pickled,
        "NPY matrix": b"NPY\x04" + len(npy.getvalue()).to_bytes(4, "little") + npy.getvalue(),
        "npy": npy.getvalue(),
        "npz": npz.getvalue(),
        "torch": zipped.getvalue(),
        "yaml": f"a: !!python/object/apply:os.system [\"touch '{canary}'\"]\n".encode(),
        "json": f'{{"__import__": "os", "py/reduce": "touch {canary}"}}\n'.encode(),
        "shell": f"utt {shell}\n".encode(),
        "python": f"__import__('os').system(\"touch '{canary}'\")\n".encode(),
    }


def commands(canary: Path) -> Iterator[str]:
    """Locations that Kaldi's readers run."""
    yield f"touch '{canary}' |"
    yield f"touch '{canary}'|"
    yield f"| touch '{canary}'"
    yield f" cat /dev/null; touch '{canary}' | "
    yield f"touch '{canary}' |:0"
    yield f"touch '{canary}' |[0:1]"
