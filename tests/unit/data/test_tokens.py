import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmoe_espnet.data.tokens import TokenList

UNITS = st.sets(st.text("你好ab1", min_size=1, max_size=3))


@given(UNITS)
def test_layout_and_file(units: set[str]) -> None:
    tokens = TokenList.from_units(units)
    assert tokens.tokens == ("<blank>", "<unk>", *sorted(units), "<sos/eos>")
    assert tokens.units == tuple(sorted(units))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokens.txt"
        tokens.write(path)
        assert TokenList.load(path) == tokens
        assert len(path.read_text().splitlines()) == len(tokens)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "must start with <blank>"),
        ("<blank>\n<unk>\na\n", "end with <sos/eos>, got <blank>, <unk>, ..., a"),
        ("<unk>\n<blank>\n<sos/eos>\n", "must start with <blank> and <unk>"),
        ("<blank>\n<unk>\na\na\n<sos/eos>\n", "token 3 occurs twice: a"),
        ("<blank>\n<unk>\n\n<sos/eos>\n", "token 2 must not be empty"),
        ("<blank>\n<unk>\na 1\n<sos/eos>\n", "hold space, got 'a 1'"),
    ],
)
def test_other_layouts_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "tokens.txt").write_text(content)
    with pytest.raises(ValueError, match=rf"tokens\.txt: .*{message}"):
        TokenList.load(tmp_path / "tokens.txt")


def test_any_order_of_units_is_kept(tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("<blank>\n<unk>\nb\na\n<sos/eos>\n")
    assert TokenList.load(tmp_path / "tokens.txt").units == ("b", "a")


def test_more_units_come_after_those_that_are_there() -> None:
    tokens = TokenList(("<blank>", "<unk>", "b", "a", "<sos/eos>"))
    more = tokens.extended(["d", "a", "c", "d"])
    assert more.tokens == ("<blank>", "<unk>", "b", "a", "c", "d", "<sos/eos>")
    assert tokens.extended(["a"]) == tokens
    with pytest.raises(ValueError, match="occurs twice"):
        tokens.extended(["<unk>"])


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("token", [{"a": 1}, 3, None, ["a"]])
def test_tokens_of_a_configuration_are_text(place: int, token: object) -> None:
    tokens: list[object] = ["<blank>", "<unk>", "a", "<sos/eos>"]
    tokens[place] = token
    with pytest.raises(ValueError, match=f"token {place} must be text, got"):
        TokenList(tuple(tokens))  # type: ignore[arg-type]
