"""Problem details (RFC 9457): every error of this API, from wherever it comes, takes this one shape."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException

from api import problem_kinds
from api.answers import Answer, Headers
from api.problem_kinds import ProblemKind
from shared.domain.mistakes import sentence_of
from shared.domain.sample.statistics import StatsTimeoutError
from shared.services.job.admission import QueueFullError, QueueRefusedError
from shared.services.job.job_submission import OverloadedError
from shared.storage.errors import StorageUnavailableError

CONTENT_TYPE = "application/problem+json"
STORAGE_RETRY_SECONDS = 2
"""How long a client waits for a database that restarts; PostgreSQL is back within seconds."""


class ProblemError(Exception):
    """What a request is refused with; `members` are extensions of the problem's kind, in snake_case."""

    def __init__(
        self,
        kind: ProblemKind,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})


def problem_json(problem: ProblemError) -> dict[str, Any]:
    """The problem as JSON, without the request it occurred in."""
    kind = problem.kind
    return {"type": kind.type, "title": kind.title, "status": kind.status, "detail": problem.detail} | problem.members


def problem_answer(problem: ProblemError, *, request_id: str) -> Answer:
    """The answer that tells of the problem; `instance` names the request, as the log does."""
    body = problem_json(problem) | {"instance": f"/requests/{request_id}"}
    headers: Headers = [(b"content-type", CONTENT_TYPE.encode()), (b"cache-control", b"no-store")]
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in problem.headers.items()]
    return Answer(status=problem.kind.status, headers=headers, body=orjson.dumps(body))


def problem_of(error: Exception) -> ProblemError:
    """What an error is told as. What is not expected tells nothing of itself: the log does, under the request's id."""
    match error:
        case ProblemError():
            return error
        case StorageUnavailableError():
            return ProblemError(
                problem_kinds.STORAGE_UNAVAILABLE,
                "The database is away or too slow; nothing is known to be taken.",
                headers={"Retry-After": str(STORAGE_RETRY_SECONDS)},
            )
        case OverloadedError():
            return overloaded(retry_after_seconds=error.retry_after_seconds)
        case QueueRefusedError():
            return queue_refused(error)
        case StatsTimeoutError():
            return ProblemError(problem_kinds.QUERY_TOO_SLOW, str(error), headers={"Retry-After": "5"})
        case _:
            return _of_framework(error)


def overloaded(*, retry_after_seconds: int) -> ProblemError:
    """The buffer is full."""
    return ProblemError(
        problem_kinds.OVERLOADED,
        "More requests wait than the server's bound; nothing was taken.",
        headers={"Retry-After": str(retry_after_seconds)},
    )


def queue_refused(error: QueueRefusedError) -> ProblemError:
    """The queue takes no more for now."""
    is_full = isinstance(error, QueueFullError)
    why = "holds as many jobs as it may" if is_full else "is being drained"
    return ProblemError(
        problem_kinds.QUEUE_FULL if is_full else problem_kinds.QUEUE_DRAINING,
        f"The queue {error.kind.value} {why}; nothing was taken.",
        headers={"Retry-After": str(error.retry_after_seconds)},
        members={"queue": error.kind.value},
    )


def invalid_input(errors: list[dict[str, str]]) -> ProblemError:
    """The input is wrong at the places that `errors` lists, each with a `detail` and a `pointer` or `parameter`."""
    count = "one place" if len(errors) == 1 else f"{len(errors)} places"
    return ProblemError(
        problem_kinds.INVALID_INPUT, f"The input is wrong in {count}; see errors.", members={"errors": errors}
    )


def no_secret_key(reason: object) -> ProblemError:
    """A secret cannot be kept or read; `reason` says why and what to do, without a full stop."""
    text = str(reason)
    return ProblemError(problem_kinds.NO_SECRET_KEY, f"{text[:1].upper()}{text[1:]}.")


def not_found(what: str) -> ProblemError:
    """There is no such thing; `what` names it in a sentence."""
    return ProblemError(problem_kinds.NOT_FOUND, what)


def _parameter_error(error: ErrorDetails) -> dict[str, str]:
    # The input itself is left out: it may be a secret.
    is_unknown = error["type"] == "extra_forbidden"
    return {
        "detail": "there is no such parameter here" if is_unknown else sentence_of(error),
        "parameter": ".".join(str(part) for part in error["loc"][1:]),
    }


def _of_framework(error: Exception) -> ProblemError:
    """What Starlette and FastAPI raise by themselves: an unknown path, a wrong method, parameters, an unread body."""
    if isinstance(error, RequestValidationError):
        return invalid_input([_parameter_error(each) for each in error.errors()])
    match error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR:
        case HTTPStatus.NOT_FOUND:
            return not_found("There is nothing at this path; /openapi.json lists what there is.")
        case HTTPStatus.BAD_REQUEST:
            return ProblemError(problem_kinds.MALFORMED_REQUEST, "The request's body cannot be read.")
        case _:
            return ProblemError(problem_kinds.INTERNAL_ERROR, "The error has been logged under this request's id.")


def method_not_allowed(allowed: str) -> ProblemError:
    """The path knows other methods only; `allowed` lists them, separated by commas."""
    return ProblemError(
        problem_kinds.METHOD_NOT_ALLOWED, f"This path knows {allowed} only.", headers={"Allow": allowed}
    )
