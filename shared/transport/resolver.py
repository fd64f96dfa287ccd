"""Names become addresses: by c-ares, with a deadline, and never remembered for longer than a few seconds."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from socket import AF_UNSPEC, SOCK_STREAM
from typing import NamedTuple

import aiodns
from aiodns.error import (
    ARES_EBADNAME,
    ARES_ECANCELLED,
    ARES_ECONNREFUSED,
    ARES_EFILE,
    ARES_ENODATA,
    ARES_ENOMEM,
    ARES_ENOTFOUND,
    ARES_ETIMEOUT,
    DNSError,
)

from shared.domain.target.addresses import parse_address
from shared.domain.target.observation import Blame, Fault
from shared.transport.urls import ascii_host

REMEMBERED_SECONDS = 3.0
"""How long an answer of ours is used again; a failover by DNS is seen within this and `CHANNEL_SECONDS`."""
CHANNEL_SECONDS = 2.0
"""How long a channel is asked; c-ares remembers answers in it for up to an hour, which a monitor must not."""
REMEMBERED_NAMES = 4096
MOST_ADDRESSES = 8
_TRIES = 3
_TRY_SECONDS = 1.0
_CANARY_SECONDS = 1.0

_UNANSWERED = {ARES_ETIMEOUT, ARES_ECONNREFUSED}
_OURS = {ARES_ENOMEM, ARES_EFILE, ARES_ECANCELLED}


class Resolved(NamedTuple):
    """A name's addresses in the order to try them (RFC 6724), and how long that took."""

    addresses: tuple[str, ...]
    dns_ms: float


@dataclass(slots=True)
class _Channel:
    resolver: aiodns.DNSResolver
    born: float
    asking: int = 0


class Resolver:
    """Asks the machine's name servers; `/etc/hosts` and search domains count. Bound to the loop that asks first."""

    def __init__(self, nameservers: Sequence[str] | None = None) -> None:
        self._nameservers = nameservers
        self._channel: _Channel | None = None
        self._remembered: dict[str, tuple[float, tuple[str, ...]]] = {}

    async def resolve(self, host: str, *, timeout_seconds: float) -> Resolved | Fault:
        """The addresses of a name, or of an address written in whatever way, within the timeout."""
        try:
            name, is_address = _read_host(host)
        except ValueError as error:
            return Fault("invalid_url", str(error), Blame.OURS)
        if is_address:
            return Resolved((name,), 0.0)
        started = time.perf_counter()
        known = self._recall(name)
        found = known or await self._ask(name, timeout_seconds)
        if isinstance(found, Fault):
            return found
        return Resolved(found, (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        """Let go of the channel; questions under way end as our own fault."""
        channel, self._channel = self._channel, None
        self._remembered.clear()
        if channel is not None:
            await channel.resolver.close()

    def _recall(self, name: str) -> tuple[str, ...] | None:
        entry = self._remembered.get(name)
        if entry is None:
            return None
        if entry[0] > time.monotonic():
            return entry[1]
        del self._remembered[name]
        return None

    def _remember(self, name: str, addresses: tuple[str, ...]) -> None:
        if len(self._remembered) >= REMEMBERED_NAMES:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[name] = (time.monotonic() + REMEMBERED_SECONDS, addresses)

    async def _ask(self, name: str, timeout_seconds: float) -> tuple[str, ...] | Fault:
        """Ask for both families; the last part of the timeout is kept for finding out whose fault silence is."""
        patience = min(_CANARY_SECONDS, timeout_seconds / 4)
        try:
            async with self._asking() as resolver, asyncio.timeout(timeout_seconds - patience):
                answer = await resolver.getaddrinfo(name, family=AF_UNSPEC, type=SOCK_STREAM)
        except TimeoutError:
            return await self._explain_silence(name, patience)
        except DNSError as error:
            if error.args[0] in _UNANSWERED:
                return await self._explain_silence(name, patience)
            return _fault_of(name, error)
        addresses = tuple(dict.fromkeys(node.addr[0].decode() for node in answer.nodes))[:MOST_ADDRESSES]
        if not addresses:
            return Fault("dns_failure", f"the name {name} has no address")
        self._remember(name, addresses)
        return addresses

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[aiodns.DNSResolver]:
        """The present channel; one that is too old is replaced, and closed when nobody asks it any more."""
        now, old = time.monotonic(), self._channel
        if old is None or now - old.born > CHANNEL_SECONDS:
            self._channel = _Channel(self._open(), now)
            if old is not None and not old.asking:
                await old.resolver.close()
        channel = self._channel
        assert channel is not None  # noqa: S101 - set above.
        channel.asking += 1
        try:
            yield channel.resolver
        finally:
            channel.asking -= 1
            if not channel.asking and channel is not self._channel:
                await channel.resolver.close()

    def _open(self) -> aiodns.DNSResolver:
        return aiodns.DNSResolver(nameservers=self._nameservers, timeout=_TRY_SECONDS, tries=_TRIES)

    async def _explain_silence(self, name: str, patience: float) -> Fault:
        """Whose fault an unanswered question is.

        A name's own servers being dead looks like our name server being out of reach. The latter is asked for the
        root's servers, which each has at hand: an answer, whatever it says, means that the silence is the name's.
        """
        canary = self._open()
        try:
            async with asyncio.timeout(patience):
                await canary.query_dns(".", "NS")
        except (TimeoutError, DNSError) as error:
            if isinstance(error, TimeoutError) or error.args[0] in _UNANSWERED | _OURS:
                return Fault("resolver_silent", "our own name server does not answer at all", Blame.OURS)
        finally:
            await canary.close()
        return Fault(
            "dns_failure", f"the name {name} was not resolved in time; our name server answers other questions"
        )


@lru_cache(maxsize=REMEMBERED_NAMES)
def _read_host(host: str) -> tuple[str, bool]:
    """The host as it is asked for, and whether it is an address already."""
    name = ascii_host(host)
    return name, parse_address(name) is not None


def _fault_of(name: str, error: DNSError) -> Fault:
    code, said = error.args[0], str(error.args[-1]).lower()
    if code in _OURS:
        return Fault("internal", f"our resolver could not ask for {name}: {said}", Blame.OURS)
    if code == ARES_EBADNAME:
        return Fault("invalid_url", f"{name} is no host name", Blame.OURS)
    if code == ARES_ENOTFOUND:
        return Fault("dns_failure", f"the name {name} does not exist")
    if code == ARES_ENODATA:
        return Fault("dns_failure", f"the name {name} has no address")
    return Fault("dns_failure", f"the name {name} was not resolved: {said}")
