"""Only checked addresses are dialled, and errnos name whose fault it is."""

import asyncio
import errno
import socket

import pytest
from http_servers import serve_raw

from shared.domain.target.egress import EgressPolicy
from shared.domain.target.observation import Blame, Fault
from shared.transport.dialling import Dialler, Route, dial_fault
from shared.transport.resolver import Resolved, Resolver


class Fixed(Resolver):
    """Knows one answer."""

    def __init__(self, *addresses: str) -> None:
        super().__init__()
        self.addresses = addresses

    async def resolve(self, host: str, *, timeout_seconds: float) -> Resolved | Fault:
        return Resolved(self.addresses, 1.5)


async def test_forbidden_addresses_of_a_name_are_left_out() -> None:
    """A name with an inner and an outer address leads to the outer one only."""
    dialler = Dialler(Fixed("10.0.0.1", "1.1.1.1", "169.254.169.254"), EgressPolicy.parse("public"))
    assert await dialler.route("x.example", 80, timeout_seconds=1) == Route(("1.1.1.1",), 1.5)


async def test_a_name_with_nothing_but_forbidden_addresses_is_blocked() -> None:
    """The rule and the setting of the first one are told."""
    dialler = Dialler(Fixed("10.0.0.1", "127.0.0.1"), EgressPolicy.parse("public"))
    result = await dialler.route("x.example", 80, timeout_seconds=1)
    assert result == Fault(
        "blocked_by_policy", "10.0.0.1 port 80 is not dialled (private): TOCSIN_EGRESS is public", Blame.OURS
    )


async def test_a_socket_is_connected_to_the_first_address_that_answers() -> None:
    """A dead address before it only costs its share of the time."""

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()

    dialler = Dialler(Fixed("::1", "127.0.0.1"), EgressPolicy.parse("any", allow_loopback=True))
    async with serve_raw(greet) as port:
        connection = await dialler.connect("x.example", port, timeout_seconds=5)
        assert isinstance(connection, socket.socket)
        with connection:
            assert await asyncio.get_running_loop().sock_recv(connection, 5) == b"hello"


async def test_a_dial_that_nobody_answers_is_a_fault() -> None:
    """Of the last address tried."""
    async with serve_raw(lambda _reader, _writer: asyncio.Event().wait()) as port:  # type: ignore[arg-type,return-value]
        pass
    dialler = Dialler(Fixed("127.0.0.1"), EgressPolicy.parse("any", allow_loopback=True))
    result = await dialler.connect("x.example", port, timeout_seconds=5)
    assert isinstance(result, Fault)
    assert (result.code, result.message) == ("connection_refused", f"x.example port {port} refused the connection")


@pytest.mark.parametrize(
    ("code", "name", "blame"),
    [
        (errno.ECONNREFUSED, "connection_refused", Blame.TARGET),
        (errno.ECONNRESET, "connection_lost", Blame.TARGET),
        (errno.ETIMEDOUT, "timeout", Blame.TARGET),
        (errno.EHOSTUNREACH, "unreachable", Blame.TARGET),
        (errno.ENETUNREACH, "network_unreachable", Blame.OURS),
        (errno.EMFILE, "internal", Blame.OURS),
        (errno.EADDRNOTAVAIL, "internal", Blame.OURS),
        (errno.EPERM, "internal", Blame.OURS),
    ],
)
def test_an_errno_is_blamed_on_whom_it_belongs_to(code: int, name: str, blame: Blame) -> None:
    """Running out of descriptors or having no route says nothing of the target."""
    fault = dial_fault(code, "x.example")
    assert (fault.code, fault.blame) == (name, blame)
    assert "x.example" in fault.message
