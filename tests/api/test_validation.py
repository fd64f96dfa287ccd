"""Reading and judging bodies."""

import orjson
import pytest

from api.problems import ProblemError
from api.schemas.submissions import BATCH, SUBMISSION
from api.validation import MAX_ERRORS, MAX_NESTING, read_json, read_model, refuse_nul

HTTP = {"kind": "http", "url": "https://shop.example/"}


def problem_for(body: bytes | object) -> ProblemError:
    """The problem that the body is refused with."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    with pytest.raises(ProblemError) as refused:
        read_model(SUBMISSION, data)
    return refused.value


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"kind": collect}', b"\xff", b'{"kind":"\\ud800"}', b"[" * 5000, b"nul", b"{'a': 1}"]
)
def test_what_is_no_json_is_400(body: bytes) -> None:
    """Malformed JSON is another error than JSON that is wrong."""
    assert problem_for(body).kind.name == "malformed-request"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], ""),
        ({}, "/kind"),
        ({"kind": "dance"}, "/kind"),
        ({"kind": "collect"}, "/targets"),
        ({"kind": "collect", "targets": []}, "/targets"),
        ({"kind": "collect", "targets": "x"}, "/targets"),
        ({"kind": "collect", "targets": [{}]}, "/targets/0/kind"),
        ({"kind": "collect", "targets": [HTTP, {"kind": "ftp"}]}, "/targets/1/kind"),
        ({"kind": "collect", "targets": [HTTP | {"retries": "1"}]}, "/targets/0/retries"),
        ({"kind": "collect", "targets": [HTTP | {"retries": 1.5}]}, "/targets/0/retries"),
        ({"kind": "collect", "targets": [HTTP | {"retries": True}]}, "/targets/0/retries"),
        ({"kind": "collect", "targets": [HTTP | {"timeout": 5}]}, "/targets/0/timeout"),
        ({"kind": "collect", "targets": [HTTP | {"unknown": 1}]}, "/targets/0/unknown"),
        (
            {"kind": "collect", "targets": [HTTP | {"conditions": ["[STATUS] == 1", "[STATUS] = 2"]}]},
            "/targets/0/conditions/1",
        ),
        ({"kind": "collect", "targets": [HTTP], "unknown": 1}, "/unknown"),
        ({"kind": "collect", "targets": [HTTP], "labels": {"a b": "c"}}, "/labels/a b"),
        ({"kind": "collect", "targets": [HTTP], "labels": {"a/b~": "c"}}, "/labels/a~1b~0"),
        ({"kind": "collect", "targets": [HTTP], "labels": {"team": 1}}, "/labels/team"),
        ({"kind": "collect", "targets": [HTTP], "run_at": "2030-01-01T00:00:00"}, "/run_at"),
        ({"kind": "collect", "targets": [HTTP], "run_at": 1900000000}, "/run_at"),
        ({"kind": "collect", "targets": [HTTP], "delay": "-5s"}, "/delay"),
        ({"kind": "collect", "targets": [HTTP], "delay": "10y"}, "/delay"),
        ({"kind": "collect", "targets": [HTTP], "max_attempts": 0}, "/max_attempts"),
        ({"kind": "collect", "targets": [HTTP], "delay": "5s", "run_at": "2030-01-01T00:00:00Z"}, ""),
        ({"kind": "notify", "channel": {"kind": "pigeon"}, "message": {"title": "x"}}, "/channel/kind"),
        ({"kind": "notify", "channel": {"kind": "email", "to": []}, "message": {"title": "x"}}, "/channel/to"),
        ({"kind": "notify", "channel": {"kind": "email", "to": ["x"]}, "message": {"title": "x"}}, "/channel/to/0"),
        ({"kind": "notify", "channel": {"kind": "email", "to": ["a@b"]}, "message": {}}, "/message/title"),
    ],
)
def test_a_pointer_leads_to_what_is_wrong(body: object, pointer: str) -> None:
    """Each error names its place as RFC 6901 writes it, without the library's own words in between."""
    problem = problem_for(body)
    assert problem.kind.name == "invalid-input"
    assert [error["pointer"] for error in problem.members["errors"]] == [pointer]


def test_a_whole_number_may_have_an_empty_fraction() -> None:
    """5.0 is an integer to JSON Schema and to many languages' writers."""
    body = orjson.dumps({"kind": "collect", "targets": [HTTP | {"retries": 5.0}], "max_attempts": 2.0})
    model = read_model(SUBMISSION, body)
    assert (model.max_attempts, model.targets[0].retries) == (2, 5)  # type: ignore[union-attr]


def test_a_bound_is_written_as_people_write_durations() -> None:
    """Not as the language's own representation."""
    problem = problem_for({"kind": "collect", "targets": [HTTP | {"timeout": "1h"}]})
    assert problem.members["errors"][0]["detail"] == "Input should be less than or equal to 5m"


def test_every_wrong_place_is_listed_up_to_a_bound() -> None:
    """A thousand wrong targets do not make an endless answer."""
    problem = problem_for({"kind": "collect", "targets": [HTTP | {"retries": 9}] * 1000})
    assert len(problem.members["errors"]) == MAX_ERRORS


@pytest.mark.parametrize("secret", ["s3cret-value", "postgresql://u:s3cret-value@h/d"])
def test_a_refusal_never_repeats_the_input(secret: str) -> None:
    """What was sent may be a secret in the wrong place."""
    targets = [
        {"kind": "database", "dsn": secret, "retries": secret},
        {"kind": "http", "url": "https://x.example", "headers": {"Authorization": [secret]}},
        {"kind": "http", "url": "https://x.example", "token": secret},
        {"kind": secret},
    ]
    problem = problem_for({"kind": "collect", "targets": targets, "parent_id": secret})
    assert "s3cret-value" not in str(problem.members) + problem.detail


@pytest.mark.parametrize("count", [0, 1001])
def test_a_batch_has_between_one_and_a_thousand_items(count: int) -> None:
    """The bounds of a batch."""
    with pytest.raises(ProblemError) as refused:
        read_model(BATCH, orjson.dumps({"jobs": [{}] * count}))
    assert refused.value.members["errors"][0]["pointer"] == "/jobs"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"labels": {"a": "x\\u0000"}}', "/labels/a"),
        (b'{"labels": {"a\\u0000": "x"}}', "/labels"),
        (b'{"targets": [{}, {"url": "\\u0000"}]}', "/targets/1/url"),
    ],
)
def test_nul_is_refused_where_it_stands(body: bytes, pointer: str) -> None:
    """PostgreSQL cannot keep U+0000."""
    with pytest.raises(ProblemError) as refused:
        refuse_nul(body)
    assert refused.value.members["errors"] == [{"detail": "U+0000 cannot be kept", "pointer": pointer}]


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    r"""The six characters \u0000 as text are as good as any."""
    refuse_nul(b'{"text": "\\\\u0000"}')
    assert orjson.loads(b'{"text": "\\\\u0000"}')["text"] == "\\u0000"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_json_is_nested_no_deeper_than_it_can_be_walked(opening: str, closing: str) -> None:
    """Whatever walks over it calls itself; what is wide may be as large as a body may be."""
    assert read_json(f"{opening * MAX_NESTING}1{closing * MAX_NESTING}".encode())
    assert read_json(("[" + "[], " * MAX_NESTING + "{}]").encode())
    with pytest.raises(ProblemError, match="nested more than 200 deep"):
        read_json(f"{opening * (MAX_NESTING + 1)}1{closing * (MAX_NESTING + 1)}".encode())
