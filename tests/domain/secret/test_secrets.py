"""Which targets hold secrets, which they name, and how they are filled in and shown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.domain.secret.secrets import SecretMissingError, fill, has_secrets, scrub, secret_names_of, secret_texts_of
from shared.domain.target.dsn import parse_dsn
from shared.domain.target.target_identity import display_name, identity_of, mask_target
from shared.domain.target.targets import DatabaseTarget, HttpTarget, Target

TARGETS: TypeAdapter[Target] = TypeAdapter(Target)
REFERRING = "https://u:{{secret:PW}}@shop.example/{{secret:PATH}}?q=1&token={{secret:TOKEN}}"


def http(url: str = "https://shop.example/h?q=1", **fields: Any) -> Target:
    return TARGETS.validate_python({"kind": "http", "url": url, **fields})


def database(dsn: str, **fields: Any) -> Target:
    return TARGETS.validate_python({"kind": "database", "dsn": dsn, **fields})


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (http(), False),
        (http("https://u:p@shop.example/"), True),
        (http("https://u@shop.example/"), True),
        (http("https://shop.example/?api_key=x"), True),
        (http("https://a:b@[::1/"), True),
        (http(headers={"X-Any": "x"}), True),
        (http(body=""), True),
        (database("postgresql://u:p@db.example/shop"), True),
        (database("postgresql://u@db.example/shop?password=p"), True),
        (database("postgresql://u@db.example/shop"), False),
        (TARGETS.validate_python({"kind": "file", "path": "/var/log/app.log"}), False),
    ],
)
def test_a_password_a_header_and_a_body_are_secrets(target: Target, expected: bool) -> None:  # noqa: FBT001
    """What cannot be told from a secret counts as one."""
    assert has_secrets(target) is expected


def test_the_names_of_all_fields_that_are_filled_in_are_found_once() -> None:
    """In the address, in headers and in the body."""
    target = http(REFERRING, headers={"Authorization": "Bearer {{secret:TOKEN}}"}, body='{"a": "{{secret:BODY}}"}')
    assert secret_names_of(target) == ("BODY", "PATH", "PW", "TOKEN")
    assert secret_names_of(database("postgresql://u:{{secret:DB}}@db.example/shop")) == ("DB",)
    assert secret_names_of(TARGETS.validate_python({"kind": "file", "path": "/tmp/x"})) == ()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "http", "url": "https://{{secret:HOST}}/"}, "behind the host only"),
        ({"kind": "http", "url": "https://h.example/{{secret:}}"}, "misspelt"),
        ({"kind": "http", "url": "https://h.example/", "body": "{{secret:A}} {{secret:b-c}}"}, "misspelt"),
        ({"kind": "http", "url": "https://h.example/", "headers": {"A": "{{secret:1A}}"}}, "misspelt"),
        ({"kind": "http", "url": "https://h.example/", "labels": {"a": "{{secret:A}}"}}, "cannot stand in labels"),
        ({"kind": "file", "path": "/tmp/{{secret:A}}"}, "cannot stand in path"),
        ({"kind": "database", "dsn": "postgresql://u@h/d", "query": "select '{{secret:A}}'"}, "cannot stand in query"),
        ({"kind": "database", "dsn": "postgresql://u@{{secret:HOST}}/d"}, "DSN"),
        ({"kind": "database", "dsn": "postgresql://u:p@h/{{secret:D}}"}, "password only"),
    ],
)
def test_a_reference_that_would_be_shown_or_sent_as_it_is_is_refused(fields: dict[str, Any], said: str) -> None:
    """The sentence says where references can stand, or how they are written."""
    with pytest.raises(ValidationError, match=said):
        TARGETS.validate_python(fields)


def test_references_are_filled_in_where_they_stand() -> None:
    """Percent-encoded in an address, as they are in headers and bodies; nothing else changes."""
    headers = {"Authorization": "Bearer {{secret:TOKEN}}", "Accept": "*/*"}
    target = http(REFERRING, headers=headers, body="{{secret:PW}}{{secret:PW}}", method="POST")
    assert isinstance(target, HttpTarget)
    filled = fill(target, {"PW": "a@b:/", "PATH": "x y", "TOKEN": "t&=ü"})
    assert isinstance(filled, HttpTarget)
    assert filled.url == "https://u:a%40b%3A%2F@shop.example/x%20y?q=1&token=t%26%3D%C3%BC"
    assert {name: text.get_secret_value() for name, text in filled.headers.items()} == {
        "Authorization": "Bearer t&=ü",
        "Accept": "*/*",
    }
    assert (filled.body, filled.method, target.url) == ("a@b:/a@b:/", "POST", REFERRING)


def test_what_is_filled_in_is_not_read_again() -> None:
    """A secret whose value looks like a reference stays as it is."""
    filled = fill(http(body="{{secret:A}}"), {"A": "{{secret:B}}"})
    assert isinstance(filled, HttpTarget)
    assert filled.body == "{{secret:B}}"


def test_all_missing_names_are_told() -> None:
    """The sentence names them and how one is set."""
    with pytest.raises(SecretMissingError, match=r"no secret named PATH, TOKEN .* PUT /api/v1/secrets/PATH") as raised:
        fill(http(REFERRING), {"PW": "x"})
    assert raised.value.names == ["PATH", "TOKEN"]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
def test_any_password_arrives_in_the_database_as_it_was_set(password: str) -> None:
    """Percent-encoding keeps it whole and in its place."""
    target = fill(database("postgresql://u:{{secret:DB}}@db.example/shop"), {"DB": password})
    assert isinstance(target, DatabaseTarget)
    address = parse_dsn(target.dsn.get_secret_value())
    assert (address.password, address.host, address.database) == (password, "db.example", "shop")


def test_a_masked_target_shows_its_references() -> None:
    """What stands beside them is masked all the same."""
    target = http(
        REFERRING,
        headers={"Authorization": "Bearer {{secret:T}}", "X-Key": "hunter2{{secret:T}}", "X-Plain": "hunter2"},
        body='{"hunter2": "{{secret:B}}"}',
    )
    assert mask_target(target) == {
        "kind": "http",
        "url": "https://***:{{secret:PW}}@shop.example/{{secret:PATH}}?q=1&token={{secret:TOKEN}}",
        "headers": {"Authorization": "Bearer {{secret:T}}", "X-Key": "***{{secret:T}}", "X-Plain": "***"},
        "body": "***{{secret:B}}***",
    }
    shown = mask_target(database("postgresql://u:{{secret:DB}}@db.example/shop"))
    assert shown["dsn"] == "postgresql://u:{{secret:DB}}@db.example/shop"


def test_a_filled_target_is_shown_as_it_was_before() -> None:
    """Logs and traces tell the name that the target was given."""
    target = http("https://h.example/{{secret:PATH}}")
    filled = fill(target, {"PATH": "hunter2"})
    assert display_name(filled) == "https://h.example/{{secret:PATH}}"
    assert isinstance(filled, HttpTarget)
    assert filled.url == "https://h.example/hunter2"


def test_a_changed_secret_keeps_the_series() -> None:
    """The identity is of the reference, not of its value."""
    referring = "postgresql://u:{{secret:DB}}@db.example/shop"
    assert identity_of(database(referring)) == identity_of(database("postgresql://u@db.example/shop"))


def test_values_are_scrubbed_from_what_a_server_says() -> None:
    """Plain, percent-encoded or cut; what is too short is left."""
    said = "[BODY] was hunter 2/x and hunter%202%2Fx and xy and hunter …"
    assert scrub(said, ["xy", "hunter 2/x"]) == "[BODY] was *** and *** and xy and ***…"


def test_what_a_server_could_send_back_is_known() -> None:
    """Credentials with and without their scheme, passwords as they are and decoded, the body."""
    target = http(
        "https://u:a%20b@h.example/?token=t%2F1&q=2",
        headers={"Authorization": "Bearer hunter2", "Accept": "*/*"},
        body="hello",
    )
    assert secret_texts_of(target) == ["a%20b", "a b", "t%2F1", "t/1", "Bearer hunter2", "hunter2", "hello"]
    assert secret_texts_of(http("https://a:b@[::1/")) == []
    assert secret_texts_of(database("postgresql://u:hunter%202@h/d")) == ["hunter 2"]
    assert secret_texts_of(TARGETS.validate_python({"kind": "file", "path": "/tmp/x"})) == []
