"""The graph benchmark builds graphs of the given sizes in separate processes."""

import argparse

import pytest

from benchmarks import graph


def _run(*options, quick):
    parser = argparse.ArgumentParser()
    graph.add_arguments(parser)
    args = parser.parse_args(options)
    args.rounds, args.quick = 1, quick
    return graph.run(args)


def test_measures_time_memory_and_size():
    rows = _run("--num_words", "50", quick=False)
    values = {row.measure: row.value.median for row in rows}
    assert set(values) == {"time", "peak memory", "graph on disk", "arcs"}
    assert all(value > 0 for value in values.values())
    assert all(row.case.startswith("50 words, ") for row in rows)
    # numpy and the transducer libraries, no torch.
    assert values["peak memory"] < 150


def test_sizes_are_positive():
    with pytest.raises(ValueError, match="--num_words must be at least 1"):
        _run("--num_words", "0", quick=True)
