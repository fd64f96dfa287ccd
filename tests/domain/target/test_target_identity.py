"""Identity, host and masks of targets."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.domain.target.target_identity import display_name, endpoint_of, host_of, identity_of, mask_target
from shared.domain.target.targets import Target

TARGETS: TypeAdapter[Target] = TypeAdapter(Target)


def http(url: str = "https://u:hunter2@Shop.example/h?q=1&token=hunter2#x", **fields: Any) -> Target:
    return TARGETS.validate_python({"kind": "http", "url": url, **fields})


def database(dsn: str = "postgresql://u:hunter2@DB.example/shop?sslmode=require", **fields: Any) -> Target:
    return TARGETS.validate_python({"kind": "database", "dsn": dsn, **fields})


def file(path: str = "/var/log/app.log", **fields: Any) -> Target:
    return TARGETS.validate_python({"kind": "file", "path": path, **fields})


@pytest.mark.parametrize(
    ("target", "name", "host", "endpoint"),
    [
        (http(), "https://shop.example/h?q=1&token=***", "shop.example", "shop.example:443"),
        (http("http://[::1]:8080/"), "http://[::1]:8080/", "::1", "::1:8080"),
        (http("http://a:b@[::1/"), "[::1/", "", ":"),
        (http("http://shop.example:none/"), "http://shop.example:none/", "shop.example", "shop.example:"),
        (database(), "postgresql://u@db.example/shop", "db.example", "db.example:5432"),
        (
            database("postgresql://tocsin@/tocsin?host=/run/pg"),
            "postgresql://tocsin@/tocsin?host=/run/pg",
            "/run/pg",
            "/run/pg:5432",
        ),
        (file(), "/var/log/app.log", None, None),
    ],
)
def test_a_target_is_named_without_its_secrets(
    target: Target, name: str, host: str | None, endpoint: str | None
) -> None:
    """Name, host and endpoint of each kind."""
    assert (display_name(target), host_of(target), endpoint_of(target)) == (name, host, endpoint)


@pytest.mark.parametrize("target", [http(headers={"X-Any": "hunter2"}, body="hunter2"), database()])
def test_a_masked_target_holds_no_secret(target: Target) -> None:
    """Passwords, tokens, header values and bodies are gone from what is shown."""
    assert "hunter2" not in str(mask_target(target))
    assert mask_target(target)["kind"] == target.kind


def test_a_masked_target_keeps_what_explains_it() -> None:
    """Conditions, labels and durations are shown as they were written."""
    target = file(conditions=["[SIZE] < 5MB"], labels={"team": "web"}, timeout="5s")
    assert mask_target(target) == {
        "kind": "file",
        "path": "/var/log/app.log",
        "conditions": ["[SIZE] < 5MB"],
        "labels": {"team": "web"},
        "timeout": "5s",
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (http(), http(timeout="1s", retries=2, conditions=["[STATUS] == 200"])),
        (http(), http("https://u:other@shop.EXAMPLE/h?q=1&token=hunter2")),
        (http(), http(headers={"Authorization": "Bearer x"})),
        (database(), database("postgres://u:other@db.example:5432/shop")),
        (file(), file(conditions=["[SIZE] < 5MB"])),
    ],
)
def test_what_does_not_change_the_question_keeps_the_series(one: Target, other: Target) -> None:
    """A tightened threshold or a rotated password keeps the history."""
    assert identity_of(one) == identity_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (http(), http(method="HEAD")),
        (http(), http(headers={"Host": "b.example"})),
        (http(), http(labels={"team": "web"})),
        (http(), http("https://u:hunter2@Shop.example/h?q=2&token=hunter2")),
        (database(), database(query="select 1")),
        (database(query="select 2"), database(query="select 1")),
        (file(), file("/var/log/other.log")),
    ],
)
def test_another_question_is_another_series(one: Target, other: Target) -> None:
    """Method, host, labels, query and path tell series apart; the identity has 32 bytes."""
    assert identity_of(one) != identity_of(other)
    assert len(identity_of(one)) == 32


def test_an_unreadable_condition_is_refused_with_its_place() -> None:
    """Whoever sent the target learns which condition and which character."""
    with pytest.raises(ValidationError) as caught:
        file(conditions=["[SIZE] < 5MB", "[AGE] < soon"])
    (error,) = caught.value.errors()
    assert error["loc"] == ("file", "conditions")
    assert error["msg"].startswith("condition 2, character 9: [AGE] is a time in seconds")
    assert (error["ctx"]["index"], error["ctx"]["position"]) == (1, 8)


@pytest.mark.parametrize(
    "dsn",
    [
        "mysql://u:hunter2@h/d",
        "postgresql://u:hunter2@h:99999/d",
        "postgresql://u:hunter2@h/d?sslrootcert=/etc/passwd",
        "postgresql://u:hun?ter2@h/d",
        "postgresql://u:hunter2@h/d?sslmode=hunter2",
        "postgresql://u:hunter2@/d",
        "postgresql://u:hunter2@/d?host=a,b",
        "hunter2",
    ],
)
def test_a_dsn_that_cannot_be_dialled_is_refused_without_showing_it(dsn: str) -> None:
    """What is wrong is said without a piece of the password; no parameter names a file of the worker."""
    with pytest.raises(ValidationError) as caught:
        database(dsn)
    (error,) = caught.value.errors()
    assert "the DSN" in error["msg"]
    assert "ter2" not in error["msg"]


@pytest.mark.parametrize("pattern", ["(a", "(?=a)", r"(a)\1", "a{1000}{1000}{1000}"])
def test_a_pattern_that_could_stop_a_worker_is_refused(pattern: str) -> None:
    """Look-around, back-references and oversized patterns are refused when submitted."""
    with pytest.raises(ValidationError, match="not a pattern that can be matched"):
        file(pattern=pattern)
