import os
import signal
import socket

import pytest

from speechmoe_espnet.demo.server import address_of, ended_by_signals, open_socket


def test_a_port_in_use_is_one_line_that_names_it():
    with open_socket("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ValueError, match=rf"--port {port}: Address already in use") as caught:
            open_socket("127.0.0.1", port)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("127.0.0.1", -1, "--port -1: not a port"),
        ("127.0.0.1", 65536, "--port 65536: not a port"),
        ("no such host", 0, "--host no such host: no such host"),
        ("a" * 70 + ".example", 0, "no such host"),
        ("", 0, "--host : no such host"),
        ("192.0.2.1", 0, "Cannot assign"),
    ],
)
def test_wrong_hosts_and_ports(host, port, said):
    with pytest.raises(ValueError, match=said):
        open_socket(host, port).close()


def test_the_address_is_one_to_open():
    with open_socket("127.0.0.1", 0) as listening:
        assert address_of(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}"
    if socket.has_ipv6:
        try:
            listening = open_socket("::1", 0)
        except ValueError:
            return  # a machine without IPv6
        with listening:
            assert address_of(listening).startswith("http://[::1]:")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_block_and_what_it_cleans_is_clean(number):
    before = signal.getsignal(number)
    steps = []
    with ended_by_signals():
        try:
            os.kill(os.getpid(), number)
            steps.append("after")
        finally:
            os.kill(os.getpid(), number)  # an impatient second one
            steps.append("clean")
    assert steps == ["clean"]
    assert signal.getsignal(number) is before


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), ended_by_signals():
        raise ZeroDivisionError
