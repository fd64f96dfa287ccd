"""Request bodies read and judged: what is no JSON is 400, what is JSON but wrong is 422 with a pointer to the place."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from api import problem_kinds
from api.problems import ProblemError, invalid_input
from shared.domain.job.jobs import JobKind
from shared.domain.mistakes import sentence_of

ModelT = TypeVar("ModelT")

MAX_ERRORS = 50
"""The most places listed; a thousand targets can be wrong in several thousand."""

MAX_NESTING = 200
"""What walks over JSON does so by calling itself; pydantic's own bound is about this."""

_ROOT_TAGS = frozenset(
    {*JobKind, "create", "upsert", "update", "pause", "resume", "delete"}
    | {"authenticate", "subscribe", "unsubscribe", "ping"}
)
"""The kinds of jobs, what a batch does to monitors, and what a WebSocket's client says."""
_UNION_PARENTS = frozenset({"channel", "condition", "target"})
_PLAIN_LISTS = frozenset({"escalation", "quiet_hours"})
"""Lists whose items are of one kind, so that no tag stands behind an item's number."""
_WRONG_TAG = frozenset({"union_tag_invalid", "union_tag_not_found"})
_PLACES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"two_schedules": ("cron",), "target_labels": ("target", "labels"), "group_by": ("group_by",)}
)
"""Where in a monitor or a channel a mistake is that its model finds in the whole."""
_NUL_ESCAPE = b"\\u0000"


def read_model(adapter: TypeAdapter[ModelT], body: bytes, *, prefix: str = "") -> ModelT:
    """Read `body`; `prefix` is the pointer to where it stands in a larger one.

    Raises:
        ProblemError: it is no JSON, or not what `adapter` describes.
    """
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise validation_problem(error, prefix=prefix) from None


def read_json(body: bytes) -> object:
    """Read any JSON, nested no deeper than models read it.

    Raises:
        ProblemError: it is none, or nested deeper.
    """
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise malformed_json(str(error)) from None
    # No deeper than it has brackets, so that hardly any body has to be walked.
    if body.count(b"{") + body.count(b"[") > MAX_NESTING and _is_nested_deeper(value):
        raise malformed_json(f"it is nested more than {MAX_NESTING} deep")
    return value


def _is_nested_deeper(value: object) -> bool:
    level = [value]
    for _ in range(MAX_NESTING):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)


def _inside(value: object) -> Iterable[object]:
    match value:
        case dict():
            return value.values()
        case list():
            return value
    return ()


def malformed_json(reason: str) -> ProblemError:
    """The body is no JSON."""
    return ProblemError(problem_kinds.MALFORMED_REQUEST, f"The body is no JSON: {reason}.")


def validation_problem(error: ValidationError, *, prefix: str = "") -> ProblemError:
    """What pydantic found as a problem; the input is left out, since it may be a secret."""
    found = error.errors(include_url=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return malformed_json(found[0]["msg"].removeprefix("Invalid JSON: "))
    return invalid_input(mistakes_of(error, prefix=prefix)[:MAX_ERRORS])


def mistakes_of(error: ValidationError, *, prefix: str) -> list[dict[str, str]]:
    """What pydantic found, each with what is wrong and the pointer to where."""
    found = error.errors(include_url=False, include_input=False)
    return [{"detail": sentence_of(each), "pointer": prefix + _pointer(each)} for each in found]


def refuse_nul(body: bytes, *, prefix: str = "") -> None:
    """Refuse U+0000 in any string of a JSON body: PostgreSQL cannot keep it.

    Raises:
        ProblemError: a string holds it.
    """
    # A raw one is no JSON at all, so that the escape is the only way to write it.
    pointer = _find_nul(read_json(body), prefix) if _NUL_ESCAPE in body else None
    if pointer is not None:
        raise invalid_input([{"detail": "U+0000 cannot be kept", "pointer": pointer}])


def _find_nul(value: object, pointer: str) -> str | None:
    match value:
        case str():
            return pointer if "\0" in value else None
        case dict():
            if any("\0" in name for name in value):
                return pointer
            inside = ((item, f"{pointer}/{_escape(name)}") for name, item in value.items())
        case list():
            inside = ((item, f"{pointer}/{index}") for index, item in enumerate(value))
        case _:
            return None
    return next((found for item, place in inside if (found := _find_nul(item, place)) is not None), None)


def _pointer(error: ErrorDetails) -> str:
    """The place as a JSON pointer (RFC 6901), without the union's tags that pydantic puts between the names."""
    parts: list[str] = []
    previous: str | int | None = None
    for index, part in enumerate(error["loc"]):
        is_in_union = isinstance(previous, int) and error["loc"][index - 2] not in _PLAIN_LISTS
        is_tag = (index == 0 and part in _ROOT_TAGS) or is_in_union or previous in _UNION_PARENTS
        if not is_tag and part != "[key]":
            parts.append(_escape(str(part)))
        previous = part
    if error["type"] == "condition_syntax":
        parts.append(str(error["ctx"]["index"]))
    if error["type"] in _WRONG_TAG:
        parts.append(str(error["ctx"]["discriminator"]).strip("'"))
    if error["type"] == "given_twice":
        parts.append(str(error["ctx"]["name"]))
    parts += _PLACES.get(error["type"], ())
    return "".join(f"/{part}" for part in parts)


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
