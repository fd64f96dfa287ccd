"""Submitting many jobs at once: each is judged by itself, all are kept by one statement."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.answers import Answer, as_response
from api.exchange import exchange_of
from api.intake import read_submission, with_key
from api.job_entry import JOBS_PATH
from api.openapi import IDEMPOTENCY_KEY, problems, request_body
from api.preferences import parse_idempotency_key
from api.problems import ProblemError, invalid_input, problem_json
from api.routes.job_submission import OPERATION, count_result, refusal_of
from api.schemas.jobs import BatchView
from api.schemas.submissions import BATCH
from api.services import ApiServices, principal_of, services_of
from api.validation import MAX_ERRORS, read_model
from shared.domain.job.submissions import Accepted, Submission, SubmissionResult
from shared.services.job.job_submission import BatchRefusedError, OverloadedError

router = APIRouter(tags=["jobs"])

YIELD_EVERY = 50
"""Items judged in one go; a thousand would hold up every other request for some ten milliseconds."""
SLOT_SECONDS = 10.0
"""How long a batch waits for its turn before it is refused."""

Judged = Submission | ProblemError


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """Who sends a batch, and under which idempotency key."""

    principal_id: str
    key: str | None


@router.post(
    f"{JOBS_PATH}:batch",
    status_code=202,
    response_model=BatchView,
    summary="Submit up to 1,000 jobs",
    responses=problems(409, 413, 415, 422),
    openapi_extra={"requestBody": request_body("JobBatch"), "parameters": [IDEMPOTENCY_KEY]},
)
async def create_jobs(request: Request) -> Response:
    """Take many jobs in. An idempotency key counts for each item by its place: a repeat makes nothing twice."""
    services = services_of(request)
    batch = read_model(BATCH, await request.body())
    key = parse_idempotency_key(exchange_of(request.scope).headers.get(b"idempotency-key"))
    judged = await _judge_all(services, batch.jobs, BatchOrder(principal_of(request).principal_id, key))
    if batch.atomic:
        _refuse_any(judged)
    submissions = [each for each in judged if isinstance(each, Submission)]
    results = await _submit(services, submissions, is_atomic=batch.atomic)
    answers = [_item(each, results, place=place) for place, each in enumerate(judged)]
    accepted = sum("id" in answer for answer in answers)
    body = orjson.dumps({"accepted": accepted, "rejected": len(answers) - accepted, "results": answers})
    return as_response(Answer(202, [(b"content-type", b"application/json")], body))


async def _judge_all(services: ApiServices, items: Sequence[object], order: BatchOrder) -> list[Judged]:
    judged = []
    for place, item in enumerate(items):
        judged.append(_judge(services, item, place=place, order=order))
        if place % YIELD_EVERY == YIELD_EVERY - 1:
            await asyncio.sleep(0)
    return judged


def _judge(services: ApiServices, item: object, *, place: int, order: BatchOrder) -> Judged:
    try:
        body = orjson.dumps(item)
        submission = read_submission(
            body,
            principal_id=order.principal_id,
            now=services.context.clock(),
            secrets=services.job_secrets,
            prefix=f"/jobs/{place}",
        )
    except ProblemError as problem:
        return problem
    except orjson.JSONEncodeError:
        # Numbers beyond 64 bits and endless nesting: no job has either.
        return invalid_input([{"detail": "this is no job", "pointer": f"/jobs/{place}"}])
    key = None if order.key is None else f"{order.key}#{place}"
    return with_key(submission, key, operation=OPERATION, body=body)


def _refuse_any(judged: Sequence[Judged]) -> None:
    problems = [each for each in judged if isinstance(each, ProblemError)]
    for problem in problems:
        if "errors" not in problem.members:
            raise problem
    errors = [error for problem in problems for error in problem.members["errors"]]
    if errors:
        raise invalid_input(errors[:MAX_ERRORS])


async def _submit(
    services: ApiServices, submissions: Sequence[Submission], *, is_atomic: bool
) -> dict[int, SubmissionResult]:
    """The results by the submissions' identity."""
    if not submissions:
        return {}
    for kind, count in Counter(submission.job.kind for submission in submissions).items():
        services.admission.check(kind, count)
    try:
        async with asyncio.timeout(SLOT_SECONDS):
            await services.batch_slots.acquire()
    except TimeoutError:
        raise OverloadedError(retry_after_seconds=2) from None
    try:
        results = await services.context.submission.submit_many(submissions, is_atomic=is_atomic)
    except BatchRefusedError as error:
        raise _refusal_of_all(error.results) from None
    finally:
        services.batch_slots.release()
    for submission, result in zip(submissions, results, strict=True):
        count_result(services, submission.job, result)
    return {id(submission): result for submission, result in zip(submissions, results, strict=True)}


def _refusal_of_all(results: Sequence[SubmissionResult]) -> ProblemError:
    """Why a batch that is all or nothing was not taken: every wrong place, else the first refusal."""
    refusals = [
        (f"/jobs/{place}", refusal_of(result, prefix=f"/jobs/{place}"))
        for place, result in enumerate(results)
        if not isinstance(result, Accepted)
    ]
    errors = [error for _, refusal in refusals for error in refusal.members.get("errors", [])]
    if errors:
        return invalid_input(errors[:MAX_ERRORS])
    pointer, first = refusals[0]
    first.members["pointer"] = pointer
    return first


def _item(judged: Judged, results: dict[int, SubmissionResult], *, place: int) -> dict[str, object]:
    if isinstance(judged, ProblemError):
        return _refused(judged)
    result = results[id(judged)]
    if not isinstance(result, Accepted):
        return _refused(refusal_of(result, prefix=f"/jobs/{place}"))
    job_id = str(result.job.job_id)
    item: dict[str, object] = {"status": 202, "id": job_id, "location": f"{JOBS_PATH}/{job_id}"}
    if result.is_replayed:
        item["replayed"] = True
    if result.is_deduplicated:
        item |= {"status": 200, "deduplicated": True}
    return item


def _refused(problem: ProblemError) -> dict[str, object]:
    return {"status": problem.kind.status, "problem": problem_json(problem)}
