"""What is refused before any route."""

from typing import Any

import pytest

from api.gate import check_origin, is_loopback_host
from api.problems import ProblemError


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "127.0.0.1", "127.0.0.1:8000", "127.8.8.8", "[::1]", "[::1]:8000", "a.localhost:1"],
)
def test_names_of_this_machine_are_let_in(host: str) -> None:
    """The loopback names, with and without a port."""
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1:8000",
        "0.0.0.0",
        "[::]",
        "[",
        "::1",
    ],
)
def test_other_names_are_not(host: str) -> None:
    """A name that a foreign page could have made to lead here is none of ours (DNS rebinding)."""
    assert not is_loopback_host(host)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"origin": b"http://localhost:8000", b"host": b"localhost:8000"},
        {b"sec-fetch-site": b"same-origin"},
        {b"sec-fetch-site": b"none"},
    ],
)
def test_programs_and_our_own_pages_may_change_things(headers: dict[bytes, bytes]) -> None:
    """No browser's header, or one that says this very origin: nothing is raised."""
    check_origin(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {b"origin": b"https://evil.example", b"host": b"localhost:8000"},
        {b"origin": b"http://localhost:3000", b"host": b"localhost:8000"},
        {b"origin": b"null", b"host": b"localhost:8000"},
        {b"sec-fetch-site": b"cross-site"},
        {b"sec-fetch-site": b"same-site"},
    ],
)
def test_foreign_pages_may_not(headers: dict[bytes, Any]) -> None:
    """Another port is another origin too."""
    with pytest.raises(ProblemError) as refused:
        check_origin(headers)
    assert refused.value.kind.name == "cross-origin"
