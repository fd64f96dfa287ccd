"""IP addresses as people and attackers write them: odd numerals, and IPv4 hidden inside IPv6."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

_NUMERAL = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)\Z")
_IPV4_PARTS = 4


def parse_address(host: str) -> Address | None:
    """Read a URL's host as an address, the way `inet_aton` and libcurl do; None when it is a name.

    `2130706433`, `0x7f.1` and `0177.0.0.1` are all 127.0.0.1; an IPv6 address may stand in brackets and have a zone.

    Raises:
        ValueError: the host ends in a number, so it can be no name, but is no address either (`256.1.1.1`).
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare:
        try:
            return IPv6Address(bare)
        except ValueError as error:
            raise ValueError(f'"{host[:80]}" is no IPv6 address') from error
    labels = bare.removesuffix(".").split(".")
    if not _NUMERAL.match(labels[-1]):
        return None
    return _parse_numerals(labels, host)


def _parse_numerals(labels: list[str], host: str) -> IPv4Address:
    """Read one to four numerals; the last one fills the octets that are left."""
    error = ValueError(f'"{host[:80]}" is no IPv4 address')
    if len(labels) > _IPV4_PARTS or not all(_NUMERAL.match(label) for label in labels):
        raise error
    *leading, last = (_read_numeral(label, error) for label in labels)
    if any(octet >> 8 for octet in leading) or last >> 8 * (_IPV4_PARTS - len(leading)):
        raise error
    value = last
    for place, octet in enumerate(leading):
        value |= octet << 8 * (_IPV4_PARTS - 1 - place)
    return IPv4Address(value)


def _read_numeral(label: str, error: ValueError) -> int:
    try:
        if label[:2].lower() == "0x":
            return int(label[2:] or "0", 16)
        return int(label, 8 if label.startswith("0") else 10)
    except ValueError:
        raise error from None


def read_address(text: str) -> Address:
    """Read an address as a socket shows it, without the zone; IPv4-mapped ones as the IPv4 that is dialled.

    Raises:
        ValueError: `text` is no address.
    """
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def embedded_addresses(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address may lead to.

    IPv4-mapped and -compatible (RFC 4291), -translated (RFC 2765), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056),
    Teredo (RFC 4380) and ISATAP (RFC 5214).
    """
    if isinstance(address, IPv4Address):
        return ()
    value = int(address)
    is_low = value >> 32 in _LOW_32_PREFIXES and value > 1
    if is_low or value >> 32 & 0xFFFF_FFFF in _ISATAP:
        return (IPv4Address(value & 0xFFFF_FFFF),)
    if value >> 80 == _NAT64_LOCAL:
        return _nat64_local(value)
    if value >> 112 == _SIX_TO_FOUR:
        return (IPv4Address(value >> 80 & 0xFFFF_FFFF),)
    if value >> 96 == _TEREDO:
        return (IPv4Address(value >> 64 & 0xFFFF_FFFF), IPv4Address(~value & 0xFFFF_FFFF))
    return ()


_LOW_32_PREFIXES = frozenset(
    {
        0,  # ::a.b.c.d
        0xFFFF,  # ::ffff:a.b.c.d
        0xFFFF_0000,  # ::ffff:0:a.b.c.d
        0x64_FF9B << 64,  # 64:ff9b::a.b.c.d
    }
)
_NAT64_LOCAL = 0x0064_FF9B_0001
_SIX_TO_FOUR = 0x2002
_TEREDO = 0x2001_0000
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})


def _nat64_local(value: int) -> tuple[IPv4Address, ...]:
    """Every reading of 64:ff9b:1::/48, since the length of the prefix in use is the network's own affair (RFC 6052).

    A reading that begins with a zero octet is an empty part of another layout and left out, unless all are.
    """
    split = (value >> 64 & 0xFFFF) << 16 | value >> 40 & 0xFFFF
    readings = (
        split,
        (value >> 64 & 0xFF) << 24 | value >> 32 & 0xFF_FFFF,
        value >> 24 & 0xFFFF_FFFF,
        value & 0xFFFF_FFFF,
    )
    return tuple(IPv4Address(reading) for reading in readings if reading >> 24) or (IPv4Address(0),)
