"""Where a host leads and whether we go there: resolve, check every address, dial only a checked one."""

import asyncio
import errno
import socket
from typing import NamedTuple

from shared.domain.target.egress import Allowed, Denied, EgressPolicy, decide_egress
from shared.domain.target.observation import Blame, Fault
from shared.transport.resolver import Resolver

OWN_ERRNOS = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,  # no free local port
        errno.EACCES,  # a local firewall
        errno.EPERM,
        errno.EAFNOSUPPORT,
        errno.ENETDOWN,
        errno.ENETUNREACH,  # no route from this machine, for example to IPv6 without having any
    }
)
"""What a failed dial says of ourselves. EHOSTUNREACH is not among them: the last router has looked for the target."""


class Route(NamedTuple):
    """Checked addresses in the order to try them, never empty; `dns_ms` is 0 for an address."""

    addresses: tuple[str, ...]
    dns_ms: float


def blocked(denial: Denied) -> Fault:
    """The fault of an address that the egress policy denies; ours, since the target may be well."""
    return Fault("blocked_by_policy", denial.sentence, Blame.OURS)


def dial_fault(code: int, place: str) -> Fault:
    """What an errno of a connection means; `place` is how the message names the target."""
    if code == errno.ECONNREFUSED:
        return Fault("connection_refused", f"{place} refused the connection")
    if code in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        return Fault("connection_lost", f"{place} broke off the connection")
    said = errno.errorcode.get(code, str(code))
    if code in (errno.ENETUNREACH, errno.ENETDOWN):
        return Fault("network_unreachable", f"this machine has no route to {place} ({said})", Blame.OURS)
    if code in OWN_ERRNOS:
        return Fault("internal", f"this machine could not open a connection to {place} ({said})", Blame.OURS)
    if code == errno.ETIMEDOUT:
        return Fault("timeout", f"{place} did not answer the connection in time")
    return Fault("unreachable", f"{place} could not be reached ({said})")


class Dialler:
    """Resolves and checks by one egress policy; nothing that it returns was not allowed."""

    def __init__(self, resolver: Resolver, policy: EgressPolicy) -> None:
        self._resolver = resolver
        self._policy = policy

    @property
    def policy(self) -> EgressPolicy:
        """For what dials by itself, and has to be held to it."""
        return self._policy

    def with_policy(self, policy: EgressPolicy) -> "Dialler":
        """The same resolver under another policy."""
        return Dialler(self._resolver, policy)

    def decide(self, address: str, port: int) -> Allowed | Denied:
        """Whether this very address may be dialled."""
        return decide_egress(self._policy, address, port)

    async def route(self, host: str, port: int, *, timeout_seconds: float) -> Route | Fault:
        """The addresses of `host` that may be dialled; a fault when there is none. Each is dialled as it stands."""
        resolved = await self._resolver.resolve(host, timeout_seconds=timeout_seconds)
        if isinstance(resolved, Fault):
            return resolved
        denial: Denied | None = None
        allowed: list[str] = []
        for address in resolved.addresses:
            decision = decide_egress(self._policy, address, port)
            if isinstance(decision, Denied):
                denial = denial or decision
            else:
                allowed.append(address)
        if not allowed and denial is not None:
            return blocked(denial)
        return Route(tuple(allowed), resolved.dns_ms)

    async def connect(self, host: str, port: int, *, timeout_seconds: float) -> socket.socket | Fault:
        """A connected TCP socket to the first address that answers, within the timeout; its caller closes it."""
        place = f"{host} port {port}"
        route = await self.route(host, port, timeout_seconds=timeout_seconds)
        if isinstance(route, Fault):
            return route
        fault = Fault("unreachable", f"{place} could not be reached")
        share = (timeout_seconds - route.dns_ms / 1000) / len(route.addresses)
        for address in route.addresses:
            try:
                async with asyncio.timeout(share):
                    result = await _connect(address, port, place=place)
            except TimeoutError:
                result = dial_fault(errno.ETIMEDOUT, place)
            if isinstance(result, socket.socket):
                return result
            fault = result
        return fault


async def _connect(address: str, port: int, *, place: str) -> socket.socket | Fault:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        connection = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        return dial_fault(error.errno or 0, place)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (address, port))
    except OSError as error:
        connection.close()
        return dial_fault(error.errno or 0, place)
    except BaseException:
        connection.close()
        raise
    return connection
