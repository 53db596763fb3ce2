"""Transducers as arrays, read from and written to OpenFst files.

kaldifst composes, determinizes and searches, but gives Python access to one arc at a time. A graph
has millions of arcs; arrays build, weight and count them all at once. The layout is that of
OpenFst's `const` type, version 2: a header, then all states, then all arcs.
"""

import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import kaldifst
import numpy as np
from numpy.typing import NDArray

from speechmoe_espnet.data.placeholder import refuse_placeholder

EPSILON = 0
STATE = np.dtype(
    [
        ("final", "<f4"),
        ("first_arc", "<u4"),
        ("num_arcs", "<u4"),
        ("num_input_epsilons", "<u4"),
        ("num_output_epsilons", "<u4"),
    ]
)
ARC = np.dtype([("ilabel", "<i4"), ("olabel", "<i4"), ("weight", "<f4"), ("target", "<i4")])
_MAGIC = 2125659606
_VERSION = 2
_IS_EXPANDED = 1
_MAX_STATES = 2**31 - 1


@dataclass(frozen=True)
class FstArrays:
    """A transducer over the tropical semiring: weights are costs, infinity is impossible.

    Attributes:
        start: Start state.
        final: Cost of ending in each state, (states,) float32; infinite if not final.
        num_arcs: Arcs leaving each state, (states,).
        arcs: Arcs of state 0, of state 1 and so on, (arcs,) of type `ARC`.
    """

    start: int
    final: NDArray[np.float32]
    num_arcs: NDArray[np.int64]
    arcs: NDArray[np.void]

    @classmethod
    def from_arcs(
        cls,
        source: NDArray[np.integer[Any]],
        ilabel: NDArray[np.integer[Any]],
        olabel: NDArray[np.integer[Any]],
        weight: NDArray[np.floating[Any]],
        target: NDArray[np.integer[Any]],
        final: NDArray[np.floating[Any]],
        start: int = 0,
    ) -> Self:
        """Make a transducer from arcs in any order; arcs of a state are sorted by input label.

        Args:
            source: State each arc leaves, (arcs,).
            ilabel: Input labels, (arcs,).
            olabel: Output labels, (arcs,).
            weight: Costs, (arcs,).
            target: State each arc enters, (arcs,).
            final: Cost of ending in each state, (states,).
            start: Start state.

        Raises:
            ValueError: An arc names a state that does not exist, or there are too many states.
        """
        num_states = len(final)
        if num_states > _MAX_STATES:
            raise ValueError(f"{num_states} states are more than OpenFst can number")
        for name, states in (("source", source), ("target", target)):
            if len(states) and not 0 <= int(states.min()) <= int(states.max()) < num_states:
                raise ValueError(f"{name}: states are 0 to {num_states - 1}")
        order = np.lexsort((ilabel, source))
        arcs = np.empty(len(source), ARC)
        for name, values in zip(ARC.names or (), (ilabel, olabel, weight, target), strict=True):
            arcs[name] = values[order]
        num_arcs = np.bincount(source, minlength=num_states)
        return cls(start, final.astype(np.float32), num_arcs, arcs)

    @classmethod
    def from_fst(cls, fst: kaldifst.StdVectorFst) -> Self:
        """Copy a kaldifst transducer."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "fst")
            kaldifst.StdConstFst(fst).write(str(path))
            return cls.read(path)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a `const` FST file with standard arcs.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is of another kind, or cut off.
        """
        data = Path(path).read_bytes()
        refuse_placeholder(data, path)
        try:
            magic, length = struct.unpack_from("<ii", data)
            if magic != _MAGIC:
                raise ValueError(f"{path}: not an OpenFst file")
            kinds = []
            place = 4
            for _ in range(2):
                (length,) = struct.unpack_from("<i", data, place)
                kinds.append(data[place + 4 : place + 4 + length])
                place += 4 + length
            header = struct.unpack_from("<iiQqqq", data, place)
        except struct.error:
            raise ValueError(f"{path}: not an OpenFst file, or cut off") from None
        version, flags, _, start, num_states, num_arcs = header
        if kinds != [b"const", b"standard"] or (version, flags) != (_VERSION, 0):
            raise ValueError(
                f"{path}: expected a const FST with standard arcs, unaligned, version "
                f"{_VERSION}; got {kinds}, version {version}, flags {flags}"
            )
        place += struct.calcsize("<iiQqqq")
        expected = place + num_states * STATE.itemsize + num_arcs * ARC.itemsize
        if len(data) != expected:
            raise ValueError(f"{path}: has {len(data)} bytes, its header states {expected}")
        states = np.frombuffer(data, STATE, num_states, place)
        arcs = np.frombuffer(data, ARC, num_arcs, place + states.nbytes)
        return cls(start, states["final"].copy(), states["num_arcs"].astype(np.int64), arcs)

    def write(self, path: str | Path) -> None:
        """Write a `const` FST file."""
        states = np.zeros(len(self.final), STATE)
        states["final"] = self.final
        states["num_arcs"] = self.num_arcs
        states["first_arc"] = np.cumsum(self.num_arcs) - self.num_arcs
        source = self.source
        for name, label in (("num_input_epsilons", "ilabel"), ("num_output_epsilons", "olabel")):
            epsilons = source[self.arcs[label] == EPSILON]
            states[name] = np.bincount(epsilons, minlength=len(states))
        with open(path, "wb") as file:
            file.write(struct.pack("<i", _MAGIC))
            for kind in (b"const", b"standard"):
                file.write(struct.pack("<i", len(kind)) + kind)
            numbers = (_VERSION, 0, _IS_EXPANDED, self.start, len(states), len(self.arcs))
            file.write(struct.pack("<iiQqqq", *numbers))
            file.write(states.tobytes())
            file.write(self.arcs.tobytes())

    @property
    def source(self) -> NDArray[np.int64]:
        """State that each arc leaves, (arcs,)."""
        return np.repeat(np.arange(len(self.final)), self.num_arcs)

    def to_const_fst(self) -> kaldifst.StdConstFst:
        """Copy into an immutable transducer, which takes half the memory and is fast to search."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "fst")
            self.write(path)
            return kaldifst.StdConstFst.read(str(path))

    def to_fst(self) -> kaldifst.StdVectorFst:
        """Copy into a mutable transducer."""
        return kaldifst.StdVectorFst(self.to_const_fst())
