"""What the process is busy with, for admins."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.answers import Answer, as_response, unkept_json
from api.openapi import problems, request_body
from api.problems import ProblemError
from api.profiling import ProfileFormat, ProfileRunningError, list_tasks
from api.schemas.diagnostics import PROFILE_BODY, TasksView
from api.services import services_of
from api.validation import read_model

router = APIRouter(tags=["diagnostics"])

ADMIN_PATH = "/api/v1/admin"
MOST_TASKS = 500

_MEDIA_TYPES = {
    ProfileFormat.TEXT: "text/plain; charset=utf-8",
    ProfileFormat.HTML: "text/html; charset=utf-8",
    ProfileFormat.SPEEDSCOPE: "application/json",
}
_FILE_NAMES = {ProfileFormat.HTML: "profile.html", ProfileFormat.SPEEDSCOPE: "profile.speedscope.json"}


@router.post(
    f"{ADMIN_PATH}/profile",
    response_class=Response,
    summary="Take a profile of this process",
    responses={
        200: {
            "description": "Where the event loop's thread spent its time.",
            "content": {media.partition(";")[0]: {"schema": {}} for media in _MEDIA_TYPES.values()},
        },
        **problems(409, 413, 415, 422),
    },
    openapi_extra={"requestBody": request_body("ProfileBody")},
)
async def take_profile(request: Request) -> Response:
    """Look for some seconds at what the API process that answers does. It is slower meanwhile; one at a time."""
    wanted = read_model(PROFILE_BODY, await request.body())
    try:
        written = await services_of(request).profiling.take(wanted.seconds, wanted.format)
    except ProfileRunningError:
        raise ProblemError(problem_kinds.PROFILE_RUNNING, "Another profile of this process is being taken.") from None
    headers = [(b"content-type", _MEDIA_TYPES[wanted.format].encode()), (b"cache-control", b"no-store")]
    if wanted.format in _FILE_NAMES:
        headers.append((b"content-disposition", f'attachment; filename="{_FILE_NAMES[wanted.format]}"'.encode()))
    return as_response(Answer(200, headers, written.encode()))


@router.get(f"{ADMIN_PATH}/tasks", response_model=TasksView, summary="List this process's tasks", responses=problems())
async def show_tasks() -> Response:
    """List what the event loop has to do or waits for, and at which lines."""
    return unkept_json({"total": len(asyncio.all_tasks()), "items": list_tasks(at_most=MOST_TASKS)})
