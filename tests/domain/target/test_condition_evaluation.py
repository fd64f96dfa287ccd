"""Conditions held against what was seen."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.target.condition_evaluation import SHOWN_CHARACTERS, ConditionResult, Facts, evaluate
from shared.domain.target.condition_parser import parse_condition

HTTP: dict[str, Any] = {
    "STATUS": 503,
    "RESPONSE_TIME": 12.5,
    "BODY": '{"status": "UP", "count": 3, "items": [{"id": 1}, {"id": 2}], "none": null, "ok": true, "token": "xyz"}',
    "HEADER": {"content-type": "application/json", "content-length": "120", "set-cookie": "sid=abc"},
    "CERTIFICATE_EXPIRATION": 3600.0,
    "CONNECTED": True,
    "IP": "127.0.0.1",
}


def held(text: str, values: dict[str, Any] | None = None, kind: str = "http") -> ConditionResult:
    return evaluate(parse_condition(text, kind), HTTP if values is None else values)


@pytest.mark.parametrize(
    "text",
    [
        "[STATUS] == 503",
        "[STATUS] != 200",
        "[STATUS] == any(200, 503)",
        "[STATUS] == pat(5*)",
        "[RESPONSE_TIME] <= 12.5",
        "[BODY].status == UP",
        '[BODY].status == "UP"',
        "[BODY].count == 3",
        "[BODY].count == 3.0",
        "[BODY].items[1].id >= 2",
        "[BODY].none == null",
        "[BODY].ok == true",
        '[BODY].items[0] == {"id":1}',
        "len([BODY].items) == 2",
        "len([BODY].status) == 2",
        "has([BODY].none) == true",
        "has([BODY].error) == false",
        "has([BODY].items[2]) == false",
        "[BODY] == pat(*UP*items*)",
        "[HEADER].Content-Type == application/json",
        "[HEADER].content-length < 1000",
        "[CERTIFICATE_EXPIRATION] < 48h",
        "[CONNECTED] == true",
        "[IP] == 127.0.0.1",
    ],
)
def test_what_is_so_holds(text: str) -> None:
    """Numbers compare as numbers, everything else as text."""
    assert held(text).holds


@pytest.mark.parametrize(
    "text",
    [
        "[STATUS] == 200",
        "[STATUS] != any(200, 503)",
        "[STATUS] < 500",
        "[BODY].status == up",
        "[BODY].status > 3",
        "[BODY].status != pat(U?)",
        "[BODY].items == 2",
        "[BODY].ok == 1",
        "[BODY].missing == null",
        "[BODY].missing != x",
        "len([BODY].count) == 1",
        "[CONNECTED] == false",
    ],
)
def test_what_is_not_so_does_not_hold(text: str) -> None:
    """A missing value holds nothing, not even an inequality."""
    assert not held(text).holds


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[STATUS] == 200", "[STATUS] (503) == 200"),
        ("[BODY].status == pat(D*)", "[BODY].status (UP) == pat(D*)"),
        ("[BODY].missing == 1", "[BODY].missing (missing) == 1"),
        ("[BODY].token == hunter2", "[BODY].token (***) == ***"),
        ("[HEADER].set-cookie == sid=abc", "[HEADER].set-cookie (***) == ***"),
        ("has([BODY].token) == false", "has([BODY].token) (true) == false"),
        ("len([BODY].count) == 1", "len([BODY].count) (it has no length) == 1"),
    ],
)
def test_a_result_shows_the_value_without_secrets(text: str, shown: str) -> None:
    """What is shown is what was compared, unless its name says that it is nobody's business."""
    assert held(text).shown == shown


def test_a_body_that_is_not_json_makes_a_path_not_hold() -> None:
    """The sentence says why, and nothing is raised."""
    result = held("[BODY].status == UP", {"BODY": "<html>"})
    assert (result.holds, result.shown) == (False, "[BODY].status (it is not JSON) == UP")
    assert held("has([BODY].status) == false", {"BODY": "<html>"}).holds


def test_a_value_that_was_not_seen_makes_a_condition_not_hold() -> None:
    """An observation without the value says so."""
    assert held("[STATUS] != 200", {}).shown == "[STATUS] (there is none) != 200"


def test_long_and_unprintable_values_are_cut_to_one_line() -> None:
    """A body of a megabyte makes no message of a megabyte, and no control characters reach a terminal."""
    shown = held("[BODY] == x", {"BODY": "\x1b[31m\n" + "a" * 1_000_000}).shown
    assert len(shown) < SHOWN_CHARACTERS + 30
    assert shown.isprintable()


def test_a_body_is_decoded_once_for_all_conditions() -> None:
    """Facts keep the decoded body, so that fifty conditions cost one decoding."""
    facts = Facts(HTTP)
    first = facts.find(parse_condition("[BODY].items == x", "http").subject)
    assert facts.find(parse_condition("[BODY].items == y", "http").subject) is first


def test_json_nested_too_deep_is_missing_and_not_fatal() -> None:
    """A hostile body cannot exhaust the stack."""
    assert not held("[BODY].a == 1", {"BODY": "[" * 100_000}).holds
    assert not held("[BODY][0] == 1", {"BODY": "[" * 900 + "]" * 900}).holds


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    value=_JSON | st.binary(max_size=20) | st.text(alphabet=st.characters(), max_size=20),
    text=st.sampled_from(
        [
            "[BODY] == 1",
            "[BODY].a < 5",
            "[BODY][0] != x",
            "len([BODY]) > 1",
            "has([BODY].a) == true",
            "[BODY] == pat(*a?*)",
        ]
    ),
)
def test_no_value_makes_an_evaluation_raise(value: object, text: str) -> None:
    """Whatever a target answers, a condition holds or does not."""
    result = held(text, {"BODY": value})
    assert isinstance(result.holds, bool)
    assert result.shown.isprintable()
