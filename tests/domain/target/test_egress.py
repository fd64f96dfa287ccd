"""The egress policy refuses what must not be dialled, however it is written."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.target.egress import ALLOWED, ALWAYS_DENIED, Allowed, Denied, EgressPolicy, decide_egress

ANY = EgressPolicy.parse("any")
PUBLIC = EgressPolicy.parse("public", setting="TOCSIN_WEBHOOK_EGRESS")


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:0:127.0.0.1", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b:1::7f00:1", "loopback"),
        ("64:ff9b:1:7f00:0:100::", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("2001:0:102:304::80ff:fffe", "loopback"),
        ("2606:4700::5efe:127.0.0.1", "loopback"),
        ("0.0.0.0", "this_network"),
        ("0.1.2.3", "this_network"),
        ("::", "this_network"),
        ("169.254.169.254", "link_local"),
        ("64:ff9b::169.254.169.254", "link_local"),
        ("fe80::1", "link_local"),
        ("fe80::1%eth0", "link_local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("100.100.100.200", "cloud_metadata"),
        ("168.63.129.16", "cloud_metadata"),
        ("::ffff:168.63.129.16", "cloud_metadata"),
        ("192.0.0.192", "cloud_metadata"),
        ("fd00:ec2::254", "cloud_metadata"),
        ("/run/postgresql/.s.PGSQL.5432", "unix_socket"),
        ("", "unix_socket"),
    ],
)
def test_some_addresses_are_denied_under_every_rule(address: str, rule: str) -> None:
    """Not even `any` or a list of everything dials them, and the refusal names the setting that would."""
    for policy in (ANY, PUBLIC, EgressPolicy.parse("0.0.0.0/0,::/0")):
        decision = decide_egress(policy, address, 80)
        assert isinstance(decision, Denied)
        assert (decision.rule, decision.setting) == (rule, "TOCSIN_EGRESS_ALLOW")
        assert address in decision.sentence


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "carrier_nat"),
        ("::ffff:100.64.0.1", "carrier_nat"),
        ("64:ff9b::10.0.0.1", "private"),
        ("2002:a00:1::", "private"),
        ("fd12:3456::1", "private"),
        ("fec0::1", "private"),
        ("198.18.0.1", "benchmarking"),
        ("192.0.2.1", "documentation"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("5f00::1", "not_global"),
        ("100::1", "not_global"),
        ("4000::1", "not_global"),
    ],
)
def test_inner_addresses_are_dialled_by_any_and_not_by_public(address: str, rule: str) -> None:
    """Watching the inside is the job; what users aim webhooks at stays outside."""
    assert decide_egress(ANY, address, 443) == ALLOWED
    decision = decide_egress(PUBLIC, address, 443)
    assert isinstance(decision, Denied)
    assert (decision.rule, decision.setting) == (rule, "TOCSIN_WEBHOOK_EGRESS")


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "172.15.255.255",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "2606:4700::1111",
        "64:ff9b::1.1.1.1",
        "64:ff9b:1::8.8.8.8",
    ],
)
def test_public_addresses_are_dialled(address: str) -> None:
    """What anybody can reach, also through a network's NAT64, is dialled by both rules."""
    assert decide_egress(ANY, address, 443) == ALLOWED
    assert decide_egress(PUBLIC, address, 443) == ALLOWED


def test_a_list_dials_what_it_lists_and_nothing_else() -> None:
    """CIDRs as rule."""
    policy = EgressPolicy.parse("10.0.0.0/8, 2001:db8::/32")
    assert decide_egress(policy, "10.9.8.7", 80) == ALLOWED
    assert decide_egress(policy, "::ffff:10.9.8.7", 80) == ALLOWED
    assert decide_egress(policy, "2001:db8::1", 80) == ALLOWED
    decision = decide_egress(policy, "1.1.1.1", 80)
    assert isinstance(decision, Denied)
    assert decision.rule == "not_listed"
    assert "TOCSIN_EGRESS is 10.0.0.0/8,2001:db8::/32" in decision.sentence


def test_an_allowed_endpoint_is_dialled_on_its_port_only() -> None:
    """The operator's CIDR:port stands above every other rule, and for nothing more than it says."""
    policy = EgressPolicy.parse("public", "127.0.0.1/32:9090, 169.254.169.254:80,[fd00::/8]:443")
    assert decide_egress(policy, "127.0.0.1", 9090) == ALLOWED
    assert decide_egress(policy, "169.254.169.254", 80) == ALLOWED
    assert decide_egress(policy, "fd00::7", 443) == ALLOWED
    assert isinstance(decide_egress(policy, "127.0.0.1", 9091), Denied)
    assert isinstance(decide_egress(policy, "127.0.0.2", 9090), Denied)
    assert isinstance(decide_egress(policy, "64:ff9b::7f00:1", 9090), Denied)


def test_loopback_can_be_opened_as_a_whole() -> None:
    """The embedded default on a user's own machine may collect from it, directly, under every rule."""
    for rule in ("any", "public", "10.0.0.0/8"):
        policy = EgressPolicy.parse(rule, allow_loopback=True)
        assert decide_egress(policy, "127.0.0.1", 8080) == ALLOWED
        assert decide_egress(policy, "::1", 8080) == ALLOWED
        assert isinstance(decide_egress(policy, "64:ff9b::7f00:1", 8080), Denied)
        assert isinstance(decide_egress(policy, "169.254.169.254", 80), Denied)
        assert isinstance(decide_egress(policy, "0.0.0.0", 8080), Denied)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.0.0.5", "64:ff9b::a00:5"])
def test_our_own_servers_are_never_dialled(address: str) -> None:
    """Database, broker and API stay closed also where loopback is open; they answer on all of loopback."""
    policy = EgressPolicy.parse("any", allow_loopback=True, denied_endpoints=["0.0.0.0:5432", "10.0.0.5:5432"])
    decision = decide_egress(policy, address, 5432)
    assert isinstance(decision, Denied)
    assert decision.rule == "own_server"
    assert isinstance(decide_egress(policy, "10.0.0.6", 5432), Allowed)


def test_a_server_without_a_port_yet_denies_nothing() -> None:
    """Port 0 is one that is still to be chosen."""
    policy = EgressPolicy.parse("any", allow_loopback=True, denied_endpoints=["127.0.0.1:0", "127.0.0.1:5432"])
    assert [endpoint.port for endpoint in policy.denied_endpoints] == [5432]


def test_our_own_server_can_be_allowed_by_name() -> None:
    """An operator who wants to watch Tocsin's own database lists it."""
    policy = EgressPolicy.parse("any", "127.0.0.1/32:5432", denied_endpoints=["127.0.0.1:5432"])
    assert decide_egress(policy, "127.0.0.1", 5432) == ALLOWED


@pytest.mark.parametrize(
    ("rule", "allow", "words"),
    [
        ("privat", "", 'write "any", "public" or CIDRs'),
        ("", "", "nothing is listed"),
        ("10.0.0.1/8", "", "has host bits set"),
        ("any", "127.0.0.1", "is no CIDR with a port"),
        ("any", "127.0.0.1/32:0", "is no CIDR with a port"),
        ("any", "127.0.0.1/32:65536", "is no CIDR with a port"),
        ("any", "localhost:80", "is no CIDR with a port"),
    ],
)
def test_a_policy_that_cannot_be_read_says_how_to_write_it(rule: str, allow: str, words: str) -> None:
    """A typing error never opens anything."""
    with pytest.raises(ValueError, match=r"^TOCSIN_EGRESS: ") as caught:
        EgressPolicy.parse(rule, allow)
    assert words in str(caught.value)


DENIED_V4 = [ip_network(cidr) for cidr, _ in ALWAYS_DENIED if ":" not in cidr]


@given(st.sampled_from(DENIED_V4), st.data(), st.integers(1, 65535))
def test_no_embedding_smuggles_a_denied_address(network: object, data: st.DataObject, port: int) -> None:
    """Every IPv6 address that leads to a denied IPv4 address is denied."""
    inner = data.draw(st.ip_addresses(network=network))  # type: ignore[call-overload]
    value = int(inner)
    forms = [
        0xFFFF << 32 | value,
        0xFFFF_0000 << 32 | value,
        0x64_FF9B << 96 | value,
        0x2002 << 112 | value << 80 | data.draw(st.integers(0, (1 << 80) - 1)),
        0x2001_0000 << 96 | data.draw(st.integers(0, (1 << 32) - 1)) << 64 | (~value & 0xFFFF_FFFF),
        data.draw(st.integers(0, (1 << 64) - 1)) << 64 | 0x5EFE << 32 | value,
    ]
    assert isinstance(decide_egress(ANY, str(inner), port), Denied)
    for form in forms:
        assert isinstance(decide_egress(ANY, str(IPv6Address(form)), port), Denied)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.integers(1, 65535))
def test_public_is_never_wider_than_any(address: IPv4Address | IPv6Address, port: int) -> None:
    """Whatever `public` dials, `any` dials too, and both decide on every address."""
    if decide_egress(PUBLIC, str(address), port) == ALLOWED:
        assert decide_egress(ANY, str(address), port) == ALLOWED
