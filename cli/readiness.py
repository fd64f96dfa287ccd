"""Whether the API can be started at its address, and whether it answers."""

import errno
import http.client
import socket
import time
from collections.abc import Callable
from contextlib import closing

READY_SECONDS = 60.0
POLL_SECONDS = 0.05
ANSWER_SECONDS = 5.0

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what to dial when it listens everywhere


class AddressTakenError(RuntimeError):
    """The API cannot listen where it is told to; the message says what to do."""


def free_port(host: str, port: int) -> int:
    """Check that the port is free, before anything heavy is started; for port 0, one that is.

    Raises `AddressTakenError`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as listener:
            return int(listener.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressTakenError(
                f"Port {port} of {host} is taken by another program. Stop that one, or choose another port: "
                f"TOCSIN_PORT={port + 1} or TOCSIN_PORT=0 for any."
            ) from error
        raise AddressTakenError(
            f"The API cannot listen on {host}:{port} ({error.strerror or error}). Set TOCSIN_HOST and TOCSIN_PORT."
        ) from error


def wait_until_ready(host: str, port: int, *, check_alive: Callable[[], None]) -> bool:
    """Poll `/readyz` until it answers 200; False after a minute. `check_alive` raises when waiting is in vain."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        check_alive()
        if is_ready(host, port):
            return True
        time.sleep(POLL_SECONDS)
    return False


def is_ready(host: str, port: int) -> bool:
    """Ask once."""
    connection = http.client.HTTPConnection(ANY_ADDRESS.get(host, host), port, timeout=ANSWER_SECONDS)
    with closing(connection):
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
