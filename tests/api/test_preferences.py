"""Headers that clients ask by."""

import pytest

from api.preferences import (
    MAX_WAIT_SECONDS,
    Preferences,
    is_match,
    is_strong_match,
    joined_header,
    parse_idempotency_key,
    parse_prefer,
)
from api.problems import ProblemError


@pytest.mark.parametrize(
    ("header", "wait", "respond_async"),
    [
        (None, None, False),
        (b"", None, False),
        (b"wait=5", 5, False),
        (b'wait="5"', 5, False),
        (b"respond-async", None, True),
        (b"respond-async, wait=10", 10, True),
        (b"Respond-Async,WAIT=10", 10, True),
        (b"wait=3, wait=9", 3, False),
        (b"wait=7; foo=bar", 7, False),
        (b"wait=99999", MAX_WAIT_SECONDS, False),
        (b"handling=lenient, wait=2", 2, False),
    ],
)
def test_prefer_is_read_as_rfc_7240_has_it(header: bytes | None, wait: int | None, *, respond_async: bool) -> None:
    """Tokens in any case, values with or without quotes, parameters dropped, the first of two wins, waits are cut."""
    assert parse_prefer(header) == Preferences(wait_seconds=wait, respond_async=respond_async)


@pytest.mark.parametrize("header", [b"wait", b"wait=", b"wait=-1", b"wait=1.5", b"wait=ten", b"wait=1e3", b"\xff=\xff"])
def test_a_malformed_preference_is_ignored(header: bytes) -> None:
    """RFC 7240 forbids refusing a request for its preferences."""
    assert parse_prefer(header) == Preferences()


def test_applied_preferences_are_named() -> None:
    """What was applied is told in Preference-Applied, the wait as cut."""
    assert Preferences(wait_seconds=30, respond_async=True).applied == b"respond-async, wait=30"
    assert Preferences().applied == b""


def test_header_lines_are_one_list() -> None:
    """Several lines of one header are one list (RFC 9110, 5.3)."""
    lines = [(b"prefer", b"respond-async"), (b"accept", b"*/*"), (b"prefer", b"wait=4")]
    assert joined_header(lines, b"prefer") == b"respond-async, wait=4"
    assert joined_header(lines, b"if-match") is None


@pytest.mark.parametrize(
    ("header", "weak", "strong"),
    [
        (b'"a-1"', True, True),
        (b'W/"a-1"', True, False),
        (b'"b-1", "a-1"', True, True),
        (b"*", True, True),
        (b'"a-2"', False, False),
        (b'"",W/"b-1"', False, False),
    ],
)
def test_entity_tags_match(header: bytes, *, weak: bool, strong: bool) -> None:
    """If-None-Match compares weakly, If-Match strongly (RFC 9110, 8.8.3.2)."""
    assert is_match(header, b'"a-1"') is weak
    assert is_strong_match(header, b'"a-1"') is strong


@pytest.mark.parametrize("header", [b"", b"a-1", b'"a-1', b'"a-1" "b-1"', b'"a-1",', b'w/"a-1"', b'"\xff"'])
def test_a_malformed_if_match_is_refused(header: bytes) -> None:
    """Taken for a tag that does not match it would say that the job has changed."""
    with pytest.raises(ProblemError) as refused:
        is_strong_match(header, b'"a-1"')
    assert refused.value.kind.status == 400


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (None, None),
        (b"8e03978e-40d5", "8e03978e-40d5"),
        (b'"8e03978e-40d5"', "8e03978e-40d5"),
        (b'"with \\"quotes\\" and \\\\"', 'with "quotes" and \\'),
        (b" padded ", "padded"),
        (b"k" * 255, "k" * 255),
    ],
)
def test_an_idempotency_key_is_quoted_or_bare(header: bytes | None, key: str | None) -> None:
    """The draft's structured-field string and Stripe's bare token name the same key."""
    assert parse_idempotency_key(header) == key


@pytest.mark.parametrize("header", [b"", b'""', b'"open', b"two words", b"k" * 256, b"\xfcml", b"tab\there", b'"k"x'])
def test_a_malformed_idempotency_key_is_refused(header: bytes) -> None:
    """A key that cannot be kept as sent must not be guessed: the repeat would run twice."""
    with pytest.raises(ProblemError) as refused:
        parse_idempotency_key(header)
    assert refused.value.kind.status == 400
