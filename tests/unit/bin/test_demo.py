import socket
import sys

import pytest

from speechmoe_espnet.bin import demo
from speechmoe_espnet.demo import page
from speechmoe_espnet.zoo import shipped

BOTH = (shipped.DEFAULT, shipped.DEFAULT_BASELINE)


@pytest.mark.parametrize(
    ("there", "given", "wanted"),
    [
        (BOTH, (None, None), list(BOTH)),
        (BOTH[:1], (None, None), [shipped.DEFAULT]),
        (BOTH, (None, "b"), [shipped.DEFAULT, "b"]),
        (BOTH, ("a", None), ["a"]),
        ((), ("a", "b"), ["a", "b"]),
    ],
)
def test_the_shipped_models_are_the_default(there, given, wanted, monkeypatch):
    monkeypatch.setattr(shipped, "shipped_models", lambda: dict.fromkeys(there))
    assert demo.model_names(*given) == wanted


def test_without_a_model_a_line_says_what_to_give(monkeypatch, capsys):
    monkeypatch.setattr(shipped, "shipped_models", dict)
    assert demo.main([]) == 1
    err = capsys.readouterr().err
    assert err.startswith("demo: error: no model ships with this version; give --model")
    assert err.count("\n") == 1


def test_without_gradio_a_line_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert demo.main(["--model", "a", "--port", "0"]) == 1
    err = capsys.readouterr().err
    assert 'pip install "speechmoe_espnet[demo]"' in err
    assert err.count("\n") == 1


def test_a_missing_model_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(page, "import_gradio", lambda uploads: None)
    assert demo.main(["--model", "missing", "--port", "0"]) == 1
    # ESPnet says what it lacks where this is the first import of it.
    (error,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert error.startswith("demo: error: missing: no such folder or zip")


def test_a_port_in_use_is_one_line_before_anything_is_loaded(monkeypatch, capsys):
    monkeypatch.setattr(page, "import_gradio", lambda uploads: 1 / 0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert demo.main(["--model", "a", "--port", str(port)]) == 1
    err = capsys.readouterr().err
    assert f"--port {port}: Address already in use" in err
    assert "choose another --port" in err
    assert err.count("\n") == 1


def test_titles_are_short_where_they_differ(monkeypatch):
    from speechmoe_espnet.inference import load_transcriber

    monkeypatch.setattr(load_transcriber, "load_transcriber", lambda *_, **__: None)
    titles = [system.title for system in demo.load_systems(["a/moe.zip", "b/dense/"], 0)]
    assert titles == ["moe", "dense"]
    same = [system.title for system in demo.load_systems(["a/exp", "b/exp"], 0)]
    assert same == ["a/exp", "b/exp"]
