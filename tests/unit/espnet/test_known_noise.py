"""Words of ESPnet that nobody needs, and all others."""

import logging
import sys

import pytest

from speechmoe_espnet.espnet.known_noise import without_known_noise


def test_other_words_pass(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with without_known_noise():
        logging.warning("Set decoder to none as ctc_weight==1.0")
        logging.warning("the loss is not finite")
        print("Failed to import Flash Attention, using ESPnet default: x", file=sys.stderr)
        print("something broke", file=sys.stderr)
        assert capsys.readouterr().err == "something broke\n"
        print("half a line", end="", file=sys.stderr)
    assert caplog.messages == ["the loss is not finite"]
    assert capsys.readouterr().err == "half a line"
    logging.warning("Set decoder to none as ctc_weight==1.0")
    assert len(caplog.messages) == 2


def test_what_was_said_before_an_error_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with without_known_noise():
            print("something broke", file=sys.stderr)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert capsys.readouterr().err == "something broke\n"
