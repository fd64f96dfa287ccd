"""Trying channels out: one that is kept, and one that is only thought of."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api.change_answers import invalid_document
from api.channel_answers import CHANNEL
from api.job_entry import JOBS_PATH, JobEntry
from api.openapi import PREFER, problems, request_body
from api.paging import json_response
from api.preferences import joined_header, parse_prefer
from api.problems import no_secret_key
from api.routes.channels import CHANNEL_PATH, read_document
from api.routes.job_submission import count_result
from api.routes.job_submission import refusal_of as job_refusal_of
from api.schemas.channels import CHANNELS_PATH
from api.schemas.notices import ChannelTrialView, trial_json
from api.services import ApiServices, principal_of, services_of
from api.waiting import WaitersFullError
from shared.domain.job.jobs import JobKind
from shared.domain.job.submissions import Accepted, Submission
from shared.domain.monitor.target_documents import WrongPlaceError
from shared.services.channel.channel_configs import new_spec
from shared.storage.notice.notice_reading import NoticeReading
from shared.vault import NoSecretKeyError

router = APIRouter(tags=["channels"])

_ANSWERS: dict[str, Any] = {"status_code": 202, "response_model": ChannelTrialView}
_DONE: dict[int | str, dict[str, Any]] = {
    200: {"description": "It has ended in the time of `Prefer: wait`.", "model": ChannelTrialView}
}


@router.post(
    f"{CHANNEL_PATH}:test",
    summary="Try a channel out",
    responses=_DONE | problems(404),
    openapi_extra={"parameters": [PREFER]},
    **_ANSWERS,
)
async def try_channel(channel_id: UUID, request: Request) -> Response:
    """Tell it a test, once, even if it is disabled; with `Prefer: wait` the answer says how that went."""
    services = services_of(request)
    services.admission.check(JobKind.NOTIFY)
    trial = await services.channel_trials.begin(channel_id)
    if trial is None:
        raise CHANNEL.none_found()
    return await _answer(request, trial.job.job_id, notice_id=trial.notice_id)


@router.post(
    f"{CHANNELS_PATH}:test",
    summary="Try a channel out without making it",
    responses=_DONE | problems(409, 413, 415, 422),
    openapi_extra={"requestBody": request_body("ChannelSpec"), "parameters": [PREFER]},
    **_ANSWERS,
)
async def try_spec(request: Request) -> Response:
    """Tell it a test, once, and keep nothing of it but the job."""
    services = services_of(request)
    document = await read_document(request)
    services.admission.check(JobKind.NOTIFY)
    by = principal_of(request).principal_id
    try:
        job = services.channel_trials.job_for(new_spec(document), services.job_secrets, principal_id=by)
    except (ValidationError, WrongPlaceError) as error:
        raise invalid_document(error) from None
    except NoSecretKeyError as error:
        raise no_secret_key(error) from None
    result = await services.context.submission.submit(Submission(job))
    count_result(services, job, result)
    if not isinstance(result, Accepted):
        raise job_refusal_of(result)
    return await _answer(request, job.job_id)


async def _answer(request: Request, job_id: UUID, *, notice_id: UUID | None = None) -> Response:
    """How the test went, once it has ended or the time of `Prefer: wait` is over."""
    services = services_of(request)
    preferences = parse_prefer(joined_header(request.scope["headers"], b"prefer"))
    headers = [(b"location", f"{JOBS_PATH}/{job_id}".encode())]
    if preferences.applied:
        headers.append((b"preference-applied", preferences.applied))
    is_done = preferences.wait_seconds is not None and await _wait(request, services, job_id, preferences.wait_seconds)
    tried = None
    if is_done:
        async with services.context.database.transaction() as work:
            tries = await NoticeReading(work).list_tries(job_id)
        tried = tries[-1] if tries else None
    shown = trial_json(notice_id, f"{JOBS_PATH}/{job_id}", tried)
    return json_response(request, shown, status=202 if tried is None else 200, headers=headers)


async def _wait(request: Request, services: ApiServices, job_id: UUID, seconds: int) -> bool:
    try:
        entry = await services.reading.wait(str(job_id), _is_done, seconds=seconds, receive=request.receive)
    except WaitersFullError:
        return False
    return entry is not None and entry.is_done


def _is_done(entry: JobEntry) -> bool:
    return entry.is_done
