"""Names are resolved in time, forgotten soon, and silence is blamed on whom it belongs to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.domain.target.observation import Blame, Fault
from shared.transport import resolver as resolver_module
from shared.transport.resolver import Resolved, Resolver
from shared.transport.urls import ascii_host


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Answers A questions for what it knows and AAAA with nothing; is silent for what it is told to be silent on."""

    known: dict[str, str] = field(default_factory=dict)
    code: int = 3
    is_root_known: bool = True
    silent: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    socket: Any = None

    def datagram_received(self, data: bytes, addr: Any) -> None:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        name, kind, question = ".".join(labels).lower(), int.from_bytes(data[at + 1 : at + 3]), data[12 : at + 5]
        self.asked.append(name)
        if name in self.silent or (not name and not self.is_root_known):
            return
        address = self.known.get(name)
        record = b""
        if address is not None and kind == 1:
            packed = bytes(map(int, address.split(".")))
            record = b"\xc0\x0c" + (1).to_bytes(2) + (1).to_bytes(2) + (3600).to_bytes(4) + (4).to_bytes(2) + packed
        code = 0 if address is not None or not name else self.code
        flags = (0x8180 | code).to_bytes(2)
        counts = (1).to_bytes(2) + len(record and b"1").to_bytes(2) + bytes(4)
        self.socket.sendto(data[:2] + flags + counts + question + record, addr)


@asynccontextmanager
async def asking(server: NameServer) -> AsyncIterator[Resolver]:
    """A resolver that asks this server and no other."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    server.socket = transport
    resolver = Resolver([f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"])
    try:
        yield resolver
    finally:
        await resolver.close()
        transport.close()


async def test_a_name_becomes_its_addresses() -> None:
    """With the time that took, which is a phase of a check."""
    async with asking(NameServer({"shop.example": "192.0.2.7"})) as resolver:
        result = await resolver.resolve("Shop.Example", timeout_seconds=5)
    assert isinstance(result, Resolved)
    assert result.addresses == ("192.0.2.7",)
    assert result.dns_ms > 0


async def test_a_name_beyond_ascii_is_asked_for_in_idna() -> None:
    """As browsers ask."""
    async with asking(NameServer({"xn--bcher-kva.example": "192.0.2.7"})) as resolver:
        result = await resolver.resolve("Bücher.example", timeout_seconds=5)
    assert isinstance(result, Resolved)


async def test_an_answer_is_used_again_for_a_moment() -> None:
    """A thousand checks of one host in the same second ask once."""
    server = NameServer({"shop.example": "192.0.2.7"})
    async with asking(server) as resolver:
        await resolver.resolve("shop.example", timeout_seconds=5)
        asked = len(server.asked)
        assert isinstance(await resolver.resolve("shop.example", timeout_seconds=5), Resolved)
    assert len(server.asked) == asked


async def test_an_answer_is_soon_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failover by DNS is seen within seconds, though c-ares would remember the answer for an hour."""
    monkeypatch.setattr(resolver_module, "REMEMBERED_SECONDS", 0)
    monkeypatch.setattr(resolver_module, "CHANNEL_SECONDS", 0)
    server = NameServer({"shop.example": "192.0.2.7"})
    async with asking(server) as resolver:
        await resolver.resolve("shop.example", timeout_seconds=5)
        server.known["shop.example"] = "192.0.2.8"
        result = await resolver.resolve("shop.example", timeout_seconds=5)
    assert isinstance(result, Resolved)
    assert result.addresses == ("192.0.2.8",)


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest name makes room."""
    monkeypatch.setattr(resolver_module, "REMEMBERED_NAMES", 2)
    async with asking(NameServer({f"{i}.example": "192.0.2.7" for i in range(4)})) as resolver:
        for i in range(4):
            await resolver.resolve(f"{i}.example", timeout_seconds=5)
        assert list(resolver._remembered) == ["2.example", "3.example"]


@pytest.mark.parametrize(("code", "words"), [(3, "does not exist"), (2, "was not resolved"), (5, "was not resolved")])
async def test_a_name_server_that_says_no_speaks_of_the_target(code: int, words: str) -> None:
    """NXDOMAIN, SERVFAIL and REFUSED are answers about the name."""
    async with asking(NameServer(code=code)) as resolver:
        result = await resolver.resolve("nowhere.example", timeout_seconds=5)
    assert isinstance(result, Fault)
    assert (result.code, result.blame) == ("dns_failure", Blame.TARGET)
    assert words in result.message


async def test_silence_on_one_name_is_the_names() -> None:
    """Our name server answers the canary, so the name's own servers must be dead."""
    server = NameServer(silent={"lame.example"})
    async with asking(server) as resolver:
        result = await resolver.resolve("lame.example", timeout_seconds=0.8)
    assert isinstance(result, Fault)
    assert (result.code, result.blame) == ("dns_failure", Blame.TARGET)
    assert server.asked[-1] == ""


async def test_silence_on_everything_is_ours() -> None:
    """A name server that answers nothing says nothing of any target."""
    async with asking(NameServer(silent={"shop.example"}, is_root_known=False)) as resolver:
        result = await resolver.resolve("shop.example", timeout_seconds=0.8)
    assert isinstance(result, Fault)
    assert (result.code, result.blame) == ("resolver_silent", Blame.OURS)


async def test_a_name_server_that_is_not_there_is_ours() -> None:
    """Nobody listens on its port."""
    resolver = Resolver(["127.0.0.1:1"])
    result = await resolver.resolve("shop.example", timeout_seconds=2)
    await resolver.close()
    assert isinstance(result, Fault)
    assert (result.code, result.blame) == ("resolver_silent", Blame.OURS)


async def test_the_timeout_holds_with_the_canary_in_it() -> None:
    """Finding out whose fault it is takes its time from the same timeout."""
    started = asyncio.get_running_loop().time()
    async with asking(NameServer(silent={"lame.example"}, is_root_known=False)) as resolver:
        await resolver.resolve("lame.example", timeout_seconds=0.4)
    assert asyncio.get_running_loop().time() - started < 0.8


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1"), ("0x7f.1", "127.0.0.1"), ("[::1]", "::1")])
async def test_an_address_is_not_looked_up(host: str, address: str) -> None:
    """It takes no time and asks nobody."""
    server = NameServer()
    async with asking(server) as resolver:
        assert await resolver.resolve(host, timeout_seconds=5) == Resolved((address,), 0.0)
    assert server.asked == []


@pytest.mark.parametrize("host", ["", "a b", "256.1.1.1", "a" * 300, "-", "exa/mple", "x\0y", "..", "a..b"])
async def test_what_is_no_host_is_our_own_fault(host: str) -> None:
    """Nobody is asked for it."""
    server = NameServer()
    async with asking(server) as resolver:
        result = await resolver.resolve(host, timeout_seconds=5)
    assert isinstance(result, Fault)
    assert (result.code, result.blame) == ("invalid_url", Blame.OURS)


async def test_the_machines_own_hosts_file_counts() -> None:
    """`localhost` is known without any name server."""
    server = NameServer()
    async with asking(server) as resolver:
        result = await resolver.resolve("localhost", timeout_seconds=5)
    assert isinstance(result, Resolved)
    assert "127.0.0.1" in result.addresses
    assert server.asked == []


def test_wide_digits_are_the_digits_they_look_like() -> None:
    """Unicode's full-width 127.0.0.1 is loopback, not a name."""
    assert ascii_host("\uff11\uff12\uff17\u3002\uff10\u3002\uff10\u3002\uff11") == "127.0.0.1"
