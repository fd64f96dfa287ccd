"""What a job was asked to do, the tries at it, and what it collected."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from api.job_entry import JOBS_PATH
from api.openapi import problems
from api.paging import json_response, page_response, query_text
from api.problems import no_secret_key
from api.schemas.jobs import AttemptPage, JobSpecView, SamplePage
from api.schemas.queries import SampleListQuery, limit_of
from api.services import services_of
from shared.domain.channel.channel_identity import mask_channel
from shared.domain.channel.notifications import Channel
from shared.domain.job.jobs import Attempt, JobKind
from shared.domain.monitor.rounds import decode_round
from shared.domain.monitor.slots import Visit
from shared.domain.target.target_identity import mask_target
from shared.domain.target.targets import Target
from shared.storage.job.attempt_store import AttemptStore
from shared.storage.job.job_status_store import JobStatusStore
from shared.storage.sample.sample_store import JobSample, SampleStore
from shared.vault import NoSecretKeyError, UnreadableSecretError

router = APIRouter(tags=["jobs"])

_TARGETS: TypeAdapter[list[Target]] = TypeAdapter(list[Target])
_CHANNEL: TypeAdapter[Channel] = TypeAdapter(Channel)
_POSITION_BYTES = 4


@router.get(
    f"{JOBS_PATH}/{{job_id:uuid}}/spec",
    response_model=JobSpecView,
    response_model_exclude_unset=True,
    summary="What a job was asked to do",
    responses=problems(404, 409, 410),
)
async def show_spec(job_id: UUID, request: Request) -> Response:
    """Tell what a job was asked to do, every secret masked."""
    services = services_of(request)
    async with services.context.database.transaction() as work:
        found = await JobStatusStore(work).find_spec(job_id)
    if found is None:
        raise services.reading.missing(job_id)
    kind, kept = found
    try:
        spec = services.job_secrets.unseal(kept)
    except (NoSecretKeyError, UnreadableSecretError) as error:
        raise no_secret_key(error) from None
    return json_response(request, {"kind": kind.value} | masked_spec(kind, spec))


def masked_spec(kind: JobKind, spec: str) -> dict[str, object]:
    """The spec as JSON without its secrets; `spec` is JSON as text."""
    raw = orjson.loads(spec)
    if kind is JobKind.COLLECT:
        targets = _TARGETS.validate_json(orjson.dumps(raw["targets"]))
        return {"targets": [mask_target(target) for target in targets]}
    if kind is JobKind.REQUEUE:
        return dict(raw)
    if kind is JobKind.ROUND:
        return {"visits": [_visit_json(visit) for visit in decode_round(spec)]}
    channel = _CHANNEL.validate_json(orjson.dumps(raw["channel"]))
    shown = {"channel": mask_channel(channel), "message": raw["message"]}
    return shown | ({"event": raw["event"]} if "event" in raw else {})


def _visit_json(visit: Visit) -> dict[str, object]:
    return {
        "monitor_id": str(visit.monitor_id),
        "slot": visit.slot,
        "confirmation": visit.confirmation,
        "is_manual": visit.is_manual,
    }


@router.get(
    f"{JOBS_PATH}/{{job_id:uuid}}/attempts",
    response_model=AttemptPage,
    summary="The tries at a job",
    responses=problems(404, 410),
)
async def list_attempts(job_id: UUID, request: Request) -> Response:
    """List the tries at a job, the first one first; they are few, so that there is one page."""
    async with services_of(request).context.database.transaction() as work:
        attempts = await AttemptStore(work).list_of(job_id)
        is_known = bool(attempts) or await JobStatusStore(work).exists(job_id)
    if not is_known:
        raise services_of(request).reading.missing(job_id)
    return page_response(request, [_attempt_json(attempt) for attempt in attempts], next_cursor=None)


@router.get(
    f"{JOBS_PATH}/{{job_id:uuid}}/samples",
    response_model=SamplePage,
    summary="What a job collected",
    responses=problems(404, 410, 422),
)
async def list_samples(job_id: UUID, query: Annotated[SampleListQuery, Query()], request: Request) -> Response:
    """List what a job collected, in the order of its targets."""
    services = services_of(request)
    limit = limit_of(query.limit, default=100, most=1000)
    path = query_text(request)
    after = -1
    if query.cursor is not None:
        after = int.from_bytes(services.cursors.read(query.cursor, query=path))
    async with services.context.database.transaction() as work:
        found = await SampleStore(work).list_for_job(job_id, after_position=after, limit=limit + 1)
        is_known = bool(found) or await JobStatusStore(work).exists(job_id)
    if not is_known:
        raise services_of(request).reading.missing(job_id)
    page, next_cursor = services.cursors.cut(
        found, limit, place=lambda sample: sample.position.to_bytes(_POSITION_BYTES), query=path
    )
    return page_response(request, [_sample_json(sample) for sample in page], next_cursor=next_cursor)


def _attempt_json(attempt: Attempt) -> dict[str, object]:
    return {
        "attempt": attempt.attempt,
        "dispatch_no": attempt.dispatch_no,
        "worker_id": attempt.worker_id,
        "worker_version": attempt.worker_version,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
        "outcome": attempt.outcome.value,
        "code": attempt.code,
        "message": attempt.message,
        "queue_wait_ms": round(attempt.queue_wait_ms, 3),
        "run_ms": round(attempt.run_ms, 3),
        "detail": attempt.detail,
    }


def _sample_json(sample: JobSample) -> dict[str, object]:
    return {
        "position": sample.position,
        "target": sample.target,
        "outcome": sample.outcome.value,
        "duration_ms": sample.duration_ms,
        "metrics": dict(sample.metrics),
        "code": sample.code,
        "message": sample.message,
        "collected_at": sample.collected_at,
    }
