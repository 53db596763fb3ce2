"""The server of the page: a socket of one's own machine, and an end that leaves nothing behind."""

import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

_GRACE = 1
"""Seconds that open connections have at the end."""


class Ended(BaseException):
    """A signal has asked for the end."""


def open_socket(host: str, port: int) -> socket.socket:
    """Take a port before anything else is loaded.

    Args:
        host: Name or address.
        port: Port; 0 for any that is free.

    Raises:
        ValueError: It is in use, not allowed or no port, or there is no such host.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"--port {port}: not a port, which is a number from 0 to 65535")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError):
        raise ValueError(
            f"--host {host}: no such host; 127.0.0.1 is this machine, 0.0.0.0 all of its networks"
        ) from None
    try:
        return socket.create_server(address, family=family)
    except OSError as error:
        raise ValueError(
            f"--host {host} --port {port}: {error.strerror}; choose another --port, or 0 for any"
        ) from None


def address_of(listening: socket.socket) -> str:
    """Return the address to open in a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """End the block at SIGINT, SIGTERM and SIGHUP, and go on behind it."""

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Ended

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        with contextlib.suppress(Ended):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(make_app: Callable[[Path], Any], listening: socket.socket, ready: str) -> None:
    """Serve a page until a signal asks for the end within `ended_by_signals`, then end the process.

    Neither a recording that is still transcribed is waited for, nor the end of the interpreter,
    which takes PyTorch seconds.

    Args:
        make_app: Makes the ASGI application, given a folder for uploads, which is deleted at the
            end.
        listening: The socket.
        ready: What is said when the page can be opened.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="speechmoe_demo_") as folder:
            app = make_app(Path(folder))
            import uvicorn

            config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_GRACE)
            server = uvicorn.Server(config)
            # In a thread, since at its end it waits for the threads that it has begun.
            thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
            thread.start()
            print(ready, flush=True)
            try:
                thread.join()
            finally:
                server.should_exit = True
                thread.join(_GRACE)
    except Ended:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
