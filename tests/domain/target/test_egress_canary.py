"""Canaries as they are written, and which targets need no way out."""

import pytest

from shared.domain.target.egress_canary import Canary, is_near, parse_canaries


def test_canaries_are_places_and_urls() -> None:
    """A URL's port is its scheme's unless told; nothing is none."""
    assert parse_canaries(" 1.1.1.1:53, https://example.org/up ,[2606:4700::1111]:443,") == (
        Canary("1.1.1.1", 53),
        Canary("example.org", 443, "https://example.org/up"),
        Canary("2606:4700::1111", 443),
    )
    assert parse_canaries("") == ()


@pytest.mark.parametrize(
    "text", ["example.org", "ftp://example.org/", "a:b", "https://", "example.org:80/up", "a:99999"]
)
def test_what_is_no_canary_is_refused(text: str) -> None:
    """The sentence names the setting and shows how one is written."""
    with pytest.raises(ValueError, match=r"TOCSIN_CANARIES.*1\.1\.1\.1:443"):
        parse_canaries(text)


@pytest.mark.parametrize(
    ("host", "near"),
    [
        (None, True),
        ("/run/postgresql", True),
        ("localhost", True),
        ("127.0.0.53", True),
        ("0x7f.1", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("256.1.1.1", False),
        ("localhost.example", False),
    ],
)
def test_this_machine_is_near(host: str | None, *, near: bool) -> None:
    """However loopback is written."""
    assert is_near(host) is near
