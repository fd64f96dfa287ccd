"""What may be dialled: the egress policy, decided on the address really dialled.

The ranges are our own list: the standard library's `is_private` and `is_global` differ between Python versions and
know neither cloud metadata addresses nor IPv4 inside IPv6.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal, Self

from shared.domain.target.addresses import Address, embedded_addresses, read_address

Network = IPv4Network | IPv6Network
Rule = Literal["any", "public", "list"]

ALWAYS_DENIED: tuple[tuple[str, str], ...] = (
    ("127.0.0.0/8", "loopback"),
    ("::1/128", "loopback"),
    ("0.0.0.0/8", "this_network"),
    ("::/128", "this_network"),
    ("169.254.0.0/16", "link_local"),
    ("fe80::/10", "link_local"),
    ("224.0.0.0/4", "multicast"),
    ("ff00::/8", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("100.100.100.200/32", "cloud_metadata"),
    ("168.63.129.16/32", "cloud_metadata"),
    ("192.0.0.192/32", "cloud_metadata"),
    ("fd00:ec2::254/128", "cloud_metadata"),
    ("fd20:ce::254/128", "cloud_metadata"),
)
"""Denied under every rule: link-local and single addresses hand out a cloud machine's credentials."""

NOT_PUBLIC: tuple[tuple[str, str], ...] = (
    ("10.0.0.0/8", "private"),
    ("172.16.0.0/12", "private"),
    ("192.168.0.0/16", "private"),
    ("100.64.0.0/10", "carrier_nat"),
    ("192.0.0.0/24", "special"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "special"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("fc00::/7", "private"),
    ("fec0::/10", "private"),
    ("2001:2::/48", "benchmarking"),
    ("2001:10::/28", "special"),
    ("2001:20::/28", "special"),
    ("2001:db8::/32", "documentation"),
    ("3fff::/20", "documentation"),
)
"""Denied by the rule `public`, with all of IPv6 outside 2000::/3 (but NAT64, which is judged by what it leads to)."""

_GLOBAL_IPV6 = IPv6Network("2000::/3")
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))

Ranges = tuple[tuple[int, int, int, str], ...]


def _table(entries: tuple[tuple[str, str], ...]) -> Ranges:
    """The ranges as (version, first, last, name), which compare ten times faster than networks."""
    networks = [(ip_network(cidr), name) for cidr, name in entries]
    return tuple((net.version, int(net.network_address), int(net.broadcast_address), name) for net, name in networks)


_ALWAYS_DENIED = _table(ALWAYS_DENIED)
_NOT_PUBLIC = _table(NOT_PUBLIC)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address with port that is never dialled, or a CIDR with port that is, whatever its range."""

    network: Network
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `127.0.0.1/32:9090`, `127.0.0.1:9090` or `[::1/128]:9090`.

        Raises:
            ValueError: `text` is written otherwise.
        """
        cidr, _, port = text.strip().rpartition(":")
        try:
            return cls(ip_network(cidr.strip("[]")), range(1, 1 << 16).index(int(port)) + 1)
        except ValueError as error:
            raise ValueError(
                f'"{text.strip()}" is no CIDR with a port; write for example 127.0.0.1/32:9090 or [fd00::1/128]:443'
            ) from error

    def holds(self, address: Address, port: int) -> bool:
        """Whether the address and port are this one's."""
        return port == self.port and address.version == self.network.version and address in self.network

    def answers_on(self, address: Address, port: int) -> bool:
        """Whether a server of ours bound here answers there: one on loopback or on 0.0.0.0 does on all of loopback."""
        if port != self.port:
            return False
        listens_on = self.network.network_address
        is_near = listens_on.is_loopback or listens_on.is_unspecified
        return self.holds(address, port) or (is_near and address.is_loopback)


@dataclass(frozen=True, eq=False, slots=True)
class EgressPolicy:
    """What may be dialled. Compared by identity: a process has one for its collectors and one for its notifiers."""

    rule: Rule
    networks: tuple[Network, ...]
    allow: tuple[Endpoint, ...]
    allow_loopback: bool
    denied_endpoints: tuple[Endpoint, ...]
    setting: str

    @classmethod
    def parse(
        cls,
        rule: str,
        allow: str = "",
        *,
        allow_loopback: bool = False,
        denied_endpoints: Iterable[str] = (),
        setting: str = "TOCSIN_EGRESS",
    ) -> Self:
        """Read a policy as the settings write it.

        `rule` is `any` (private networks too), `public`, or CIDRs separated by commas; `allow` lists CIDRs with port
        that are dialled although denied otherwise; `denied_endpoints` are our own servers, `127.0.0.1:5432`;
        `setting` is the name that a refusal by the rule tells.

        Raises:
            ValueError: one of them is written otherwise; the sentence names the setting.
        """
        is_named = rule.strip() in ("any", "public")
        try:
            return cls(
                rule="list" if not is_named else "any" if rule.strip() == "any" else "public",
                networks=() if is_named else _parse_networks(rule),
                allow=tuple(Endpoint.parse(entry) for entry in _split(allow)),
                allow_loopback=allow_loopback,
                # A server told to take any free port, 0, is not known here; its own process may deny what it took.
                denied_endpoints=tuple(
                    map(Endpoint.parse, (one for one in denied_endpoints if not one.endswith(":0")))
                ),
                setting=setting,
            )
        except ValueError as error:
            raise ValueError(f"{setting}: {error}") from error


@dataclass(frozen=True, slots=True)
class Allowed:
    """The address may be dialled."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The address is not dialled: by which rule, which setting would change it, and a sentence for people."""

    rule: str
    setting: str
    sentence: str


ALLOWED = Allowed()
ALLOW_SETTING = "TOCSIN_EGRESS_ALLOW"


@lru_cache(maxsize=8192)
def decide_egress(policy: EgressPolicy, address: str, port: int) -> Allowed | Denied:
    """Decide whether `address` (as given to connect: an IP address or the path of a socket) may be dialled."""
    try:
        dialled = read_address(address)
    except ValueError:
        return _denied_always(address, port, "unix_socket")
    if any(endpoint.holds(dialled, port) for endpoint in policy.allow):
        return ALLOWED
    faces = (dialled, *embedded_addresses(dialled))
    if any(endpoint.answers_on(face, port) for endpoint in policy.denied_endpoints for face in faces):
        return _denied_always(address, port, "own_server")
    if policy.allow_loopback and dialled.is_loopback:
        return ALLOWED
    for face in faces:
        if name := _range_name(_ALWAYS_DENIED, face):
            return _denied_always(address, port, name)
    return _decide_by_rule(policy, faces, port)


def _decide_by_rule(policy: EgressPolicy, faces: tuple[Address, ...], port: int) -> Allowed | Denied:
    dialled = faces[0]
    if policy.rule == "any":
        return ALLOWED
    if policy.rule == "list":
        is_listed = any(dialled.version == net.version and dialled in net for net in policy.networks)
        return ALLOWED if is_listed else _denied_by_rule(policy, dialled, port, name="not_listed")
    for name in (_not_public_name(face) for face in faces):
        if name is not None:
            return _denied_by_rule(policy, dialled, port, name=name)
    return ALLOWED


def _not_public_name(address: Address) -> str | None:
    if address.version == _GLOBAL_IPV6.version and address not in _GLOBAL_IPV6:
        if any(address in net for net in _NAT64):
            return None
        return _range_name(_NOT_PUBLIC, address) or "not_global"
    return _range_name(_NOT_PUBLIC, address)


def _range_name(table: Ranges, address: Address) -> str | None:
    value, version = int(address), address.version
    for entry_version, first, last, name in table:
        if first <= value <= last and version == entry_version:
            return name
    return None


def _denied_always(address: str, port: int, name: str) -> Denied:
    subject = f"the Unix socket {address}" if name == "unix_socket" else f"{address} port {port}"
    mend = "and there is no setting for it" if name == "unix_socket" else f"unless {ALLOW_SETTING} lists its CIDR:port"
    words = name.replace("_", " ")
    return Denied(name, ALLOW_SETTING, f"{subject} is never dialled ({words}), {mend}")


def _denied_by_rule(policy: EgressPolicy, address: Address, port: int, *, name: str) -> Denied:
    shown = policy.rule if policy.rule != "list" else ",".join(map(str, policy.networks))
    words = name.replace("_", " ")
    return Denied(name, policy.setting, f"{address} port {port} is not dialled ({words}): {policy.setting} is {shown}")


def _parse_networks(rule: str) -> tuple[Network, ...]:
    try:
        networks = tuple(ip_network(entry) for entry in _split(rule))
    except ValueError as error:
        raise ValueError(f'{error}; write "any", "public" or CIDRs separated by commas') from error
    if not networks:
        raise ValueError('nothing is listed; write "any", "public" or CIDRs separated by commas')
    return networks


def _split(text: str) -> Iterator[str]:
    return (entry.strip() for entry in text.split(",") if entry.strip())
