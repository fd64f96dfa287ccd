"""Targets as documents: secrets are found again behind their masks, and nowhere else."""

from typing import Any

import pytest

from shared.domain.monitor.target_documents import (
    TARGET,
    WrongPlaceError,
    check_place,
    document_of,
    keep_secrets,
    name_of,
    shown_of,
)

HTTP = {
    "kind": "http",
    "url": "https://me:pass@shop.example/?token=abc&page=1#top",
    "headers": {"Authorization": "Bearer tiger", "X/Key": "lion", "X-Ref": "{{secret:T}}"},
    "body": "hidden",
    "timeout": "5s",
    "conditions": ["[STATUS] == 200"],
}
DATABASE = {"kind": "database", "dsn": "postgresql://reader:tiger@db.example/shop?sslmode=require", "query": "select 1"}
FILE = {"kind": "file", "path": "/var/log/syslog"}
HEARTBEAT = {"kind": "heartbeat", "grace": "1m30s", "slug": "backup"}


def target(document: dict[str, Any]) -> Any:
    """The document as a target."""
    return TARGET.validate_python(document, strict=False)


@pytest.mark.parametrize("document", [HTTP, DATABASE, FILE, HEARTBEAT])
def test_a_document_is_what_was_given(document: dict[str, Any]) -> None:
    """Secrets and all, without defaults."""
    assert document_of(target(document)) == document


@pytest.mark.parametrize("document", [HTTP, DATABASE, FILE, HEARTBEAT])
def test_what_is_shown_sent_back_means_what_is_kept(document: dict[str, Any]) -> None:
    """Nothing is lost by a round trip through people's hands."""
    kept = target(document)
    assert keep_secrets(shown_of(kept), kept) == document


@pytest.mark.parametrize("document", [HTTP, DATABASE])
def test_what_is_shown_holds_no_secret(document: dict[str, Any]) -> None:
    """Neither in the target nor in the name its series has."""
    shown = str(shown_of(target(document))) + name_of(target(document))
    assert [word for word in ("tiger", "lion", "pass", "abc", "hidden") if word in shown] == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"headers": {"X-New": "***"}}, "/target/headers/X-New"),
        ({"headers": {"X/Key": "Bearer ***"}}, "/target/headers/X~1Key"),
        ({"url": "https://other.example/?token=***"}, "/target/url"),
        ({"body": "a *** b"}, "/target/body"),
    ],
)
def test_a_mask_that_stands_for_nothing_is_refused(change: dict[str, Any], pointer: str) -> None:
    """With the place it stands at."""
    with pytest.raises(WrongPlaceError) as raised:
        keep_secrets(HTTP | change, target(HTTP))
    assert raised.value.pointer == pointer


def test_stars_that_are_kept_are_no_mask() -> None:
    """A body that says so itself may stay."""
    document = HTTP | {"body": "a *** b"}
    assert keep_secrets(document, target(document))["body"] == "a *** b"


@pytest.mark.parametrize("url", ["https://evil.example/", "http://shop.example/", "https://shop.example:8443/"])
def test_kept_secrets_stay_where_they_are(url: str) -> None:
    """Another host, port or scheme asks for all of them anew, in the header or in the body."""
    kept = target(HTTP)
    with pytest.raises(WrongPlaceError) as raised:
        check_place(target(HTTP | {"url": url}), kept)
    assert raised.value.pointer == "/target/headers/Authorization"
    anew = {"url": url, "headers": {"X-Ref": "{{secret:T}}"}}
    with pytest.raises(WrongPlaceError) as raised:
        check_place(target(HTTP | anew), kept)
    assert raised.value.pointer == "/target/body"
    check_place(target(HTTP | anew | {"body": "other"}), kept)


def test_another_path_of_the_same_place_keeps_them() -> None:
    """Whoever has them there may have them there."""
    check_place(target(HTTP | {"url": "https://SHOP.example:443/other"}), target(HTTP))
