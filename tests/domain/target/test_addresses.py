"""Addresses as they are written are read the way libcurl would dial them."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import inet_aton

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.target.addresses import embedded_addresses, parse_address, read_address


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0x7F000001", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("10.1.258", "10.1.1.2"),
        ("0", "0.0.0.0"),
        ("192.0.2.1.", "192.0.2.1"),
        ("[::1]", "::1"),
        ("2001:db8::7", "2001:db8::7"),
    ],
)
def test_numerals_are_read_as_the_address_they_dial(host: str, expected: str) -> None:
    """Every spelling that inet_aton takes gives the same address."""
    assert parse_address(host) == ip_address(expected)


@pytest.mark.parametrize("host", ["example.com", "1.example", "0xample", "a1", "x.127.0.0.1.nip.io", "1.2.3.4a"])
def test_names_are_no_addresses(host: str) -> None:
    """A host whose last label is no number is left to the resolver."""
    assert parse_address(host) is None


@pytest.mark.parametrize(
    "host", ["256.1.1.1", "1.2.3.4.5", "4294967296", "1.2.3.08", "a.1", "1..1", "[::1", "[1:2]", "0x1ffffffff"]
)
def test_what_ends_in_a_number_and_is_no_address_is_refused(host: str) -> None:
    """Such a host is never handed on, where another parser might read an address in it."""
    with pytest.raises(ValueError, match="is no IPv"):
        parse_address(host)


@given(st.lists(st.integers(0, 1 << 33), min_size=1, max_size=5), st.data())
def test_numerals_agree_with_inet_aton(parts: list[int], data: st.DataObject) -> None:
    """Whatever we read as an address, the C library reads as the same one, and what it refuses we refuse."""
    writers = (str, hex, lambda part: f"0{part:o}")
    host = ".".join(data.draw(st.sampled_from(writers))(part) for part in parts)
    try:
        expected = IPv4Address(inet_aton(host))
    except OSError:
        with pytest.raises(ValueError, match="is no IPv4"):
            parse_address(host)
    else:
        assert parse_address(host) == expected


@pytest.mark.parametrize(
    ("address", "embedded"),
    [
        ("::ffff:127.0.0.1", ["127.0.0.1"]),
        ("::ffff:0:127.0.0.1", ["127.0.0.1"]),
        ("::127.0.0.1", ["127.0.0.1"]),
        ("64:ff9b::10.0.0.1", ["10.0.0.1"]),
        ("64:ff9b:1::10.0.0.1", ["10.0.0.1"]),
        ("64:ff9b:1:7f00:0:100::", ["127.0.0.1"]),
        ("2002:7f00:1::1", ["127.0.0.1"]),
        ("2001:0:102:304:0:0:80ff:fffe", ["1.2.3.4", "127.0.0.1"]),
        ("fe80::5efe:10.0.0.1", ["10.0.0.1"]),
        ("2001:db8::200:5efe:10.0.0.1", ["10.0.0.1"]),
        ("2606:4700::1111", []),
        ("::1", []),
        ("::", []),
        ("127.0.0.1", []),
    ],
)
def test_ipv4_inside_ipv6_is_found(address: str, embedded: list[str]) -> None:
    """Each way to write an IPv4 destination inside an IPv6 address is unwrapped."""
    assert [str(inner) for inner in embedded_addresses(ip_address(address))] == embedded


@given(st.integers(0, (1 << 32) - 1))
def test_mapped_addresses_are_read_as_the_ipv4_that_is_dialled(value: int) -> None:
    """The kernel dials IPv4 for a mapped address, so it is judged as IPv4."""
    mapped = IPv6Address(0xFFFF << 32 | value)
    assert read_address(str(mapped)) == IPv4Address(value)


def test_a_zone_does_not_hide_an_address() -> None:
    """`fe80::1%eth0` is fe80::1."""
    assert read_address("fe80::1%eth0") == IPv6Address("fe80::1")
