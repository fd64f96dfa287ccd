"""Polling and submitting one job, answered before the framework; everything else goes on to it."""

import re

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.answers import send_answer
from api.exchange import exchange_of
from api.job_entry import JOBS_PATH
from api.job_reading import JobAsk, JobReading
from api.preferences import joined_header
from api.routes.job_submission import create_job

JOB_ROUTE = f"{JOBS_PATH}/{{job_id}}"
WAIT_ROUTE = f"{JOB_ROUTE} (wait)"
"""Requests that are held open have a series of their own: their time says nothing of the server's speed."""

_POLL = re.compile(rf"{JOBS_PATH}/([0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}})")


class HotPath:
    """Answers `GET /api/v1/jobs/{id}` and `POST /api/v1/jobs`; a test holds its answers equal to the routes'.

    The framework would be four fifths of the cost of a poll and half of that of a submission.
    """

    def __init__(self, app: ASGIApp, reading: JobReading) -> None:
        self._app = app
        self._reading = reading

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request or pass it on."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == JOBS_PATH:
            await self._submit(scope, receive, send)
            return
        job_id = _job_id_of(scope)
        if job_id is None:
            await self._app(scope, receive, send)
            return
        ask = job_ask_of(scope)
        exchange_of(scope).route = WAIT_ROUTE if ask.prefer else JOB_ROUTE
        await send_answer(await self._reading.answer(job_id, ask, receive=receive), send)

    async def _submit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The route's own function, which needs nothing of the framework but to know the application."""
        scope["app"] = self._app
        exchange_of(scope).route = JOBS_PATH
        response = await create_job(Request(scope, receive))
        await response(scope, receive, send)


def job_ask_of(scope: Scope) -> JobAsk:
    """How the request asks for a job."""
    headers = exchange_of(scope).headers
    if b"prefer" not in headers and b"if-none-match" not in headers:
        return JobAsk()
    lines = scope["headers"]
    return JobAsk(prefer=joined_header(lines, b"prefer"), if_none_match=joined_header(lines, b"if-none-match"))


def _job_id_of(scope: Scope) -> str | None:
    """The job that is polled, its id in the canonical form only; the route looks after all others."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    found = _POLL.fullmatch(scope["path"])
    return found and found[1]
