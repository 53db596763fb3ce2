"""Utterances that would take more memory than there is are refused before they are decoded."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import build

from speechmoe_espnet.inference import memory_bound
from speechmoe_espnet.inference.memory_bound import check_memory
from speechmoe_espnet.inference.utterances import Utterance
from speechmoe_espnet.system.memory import available_bytes, total_bytes


def sets(*seconds: float) -> dict[str, list[Utterance]]:
    found = [Utterance(f"utt{n}", Path("feats.scp"), "x:1", s) for n, s in enumerate(seconds)]
    return {"a": found[:1], "b": found[1:]}


@pytest.mark.parametrize("encoder", ["conformer", "e_branchformer"])
def test_attention_of_espnets_encoders_is_refused_beforehand(
    encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(encoder)
    monkeypatch.setattr(memory_bound, "available_bytes", lambda: 8 * 2**30)
    check_memory(model, sets(3.0, 60.0))
    with pytest.raises(ValueError, match=r"utt1: lasts 60\.0 minutes; .*8\.0 GiB") as error:
        check_memory(model, sets(3.0, 3600.0, 2.0))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("encoder", ["speechmoe", "speechmoe_conformer"])
def test_our_encoders_take_any_length(encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_bound, "available_bytes", lambda: 1)
    check_memory(build(encoder), sets(36_000.0))


@pytest.fixture(scope="module")
def conformer() -> object:
    return build("conformer")


@settings(max_examples=50)
@given(seconds=st.lists(st.floats(0.01, 1e6), max_size=5), free=st.integers(0, 2**45))
def test_what_is_refused_depends_on_the_longest_alone(
    conformer: object, seconds: list[float], free: int
) -> None:
    before = memory_bound.available_bytes
    memory_bound.available_bytes = lambda: free
    try:
        outcomes = []
        for some in (seconds, [max(seconds)] if seconds else []):
            try:
                check_memory(conformer, sets(*some))
            except ValueError:
                outcomes.append("refused")
            else:
                outcomes.append("taken")
    finally:
        memory_bound.available_bytes = before
    assert outcomes[0] == outcomes[1]


def test_memory_of_the_machine() -> None:
    assert 2**20 < available_bytes() <= total_bytes()
