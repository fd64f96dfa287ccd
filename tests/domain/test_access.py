"""Scopes and keys."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.domain.access import ApiKey, Scope, digest_of, format_key, is_well_formed_key

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def key(*, expires_at: datetime | None = None, revoked_at: datetime | None = None) -> ApiKey:
    """A key that was made now."""
    return ApiKey(uuid4(), "a", Scope.READ, b"", "abcd", NOW, "tests", expires_at, revoked_at)


@pytest.mark.parametrize(
    ("scope", "needed", "is_enough"),
    [
        (Scope.READ, Scope.READ, True),
        (Scope.READ, Scope.SUBMIT, False),
        (Scope.READ, Scope.ADMIN, False),
        (Scope.SUBMIT, Scope.READ, True),
        (Scope.SUBMIT, Scope.SUBMIT, True),
        (Scope.SUBMIT, Scope.ADMIN, False),
        (Scope.ADMIN, Scope.READ, True),
        (Scope.ADMIN, Scope.ADMIN, True),
    ],
)
def test_each_scope_includes_those_before_it(scope: Scope, needed: Scope, *, is_enough: bool) -> None:
    """Read is part of submit, which is part of admin."""
    assert scope.includes(needed) is is_enough


@pytest.mark.parametrize("scope", Scope)
def test_a_key_shows_its_scope(scope: Scope) -> None:
    """Who finds one in a file knows what it opens."""
    assert format_key(scope, "x" * 43) == f"tocsin_{scope}_{'x' * 43}"
    assert is_well_formed_key(format_key(scope, "x" * 43))


@pytest.mark.parametrize(
    "text",
    ["", "tocsin_read_", "tocsin_root_" + "x" * 43, "tocsin_read_" + "x" * 65, "tocsin_read_" + "ü" * 43, "x" * 50],
)
def test_what_is_no_key_need_not_be_looked_up(text: str) -> None:
    """Only the shape that we make is asked of the database."""
    assert not is_well_formed_key(text)


def test_only_the_hash_is_kept() -> None:
    """SHA-256 of the whole key."""
    assert digest_of("tocsin_read_x") == hashlib.sha256(b"tocsin_read_x").digest()


def test_a_key_ends_when_it_was_told_to() -> None:
    """At its expiry, not a moment later; at once when revoked."""
    assert key().is_valid_at(NOW)
    assert key(expires_at=NOW + timedelta(seconds=1)).is_valid_at(NOW)
    assert not key(expires_at=NOW).is_valid_at(NOW)
    assert not key(revoked_at=NOW).is_valid_at(NOW)
