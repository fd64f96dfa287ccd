"""Our own errors reach Sentry with whose they were, and without anything that was sent to us."""

from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

import httpx2
import pytest
from job_bench import Bench, ring_of
from starlette.types import Receive, Scope, Send
from telemetry_receivers import Received, sentry_receiver

from api.access_log import AccessLog
from api.authentication import Authentication
from api.front import Front
from api.gate import Gate
from api.metrics import ApiMetrics
from shared.clock import utc_now
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.leases import ClaimedJob
from shared.services.access import Access
from shared.settings import Settings
from shared.storage.errors import StorageUnavailableError
from shared.wiring import NotConfiguredError
from shared.wiring.telemetry import telemetry
from worker.upkeep.duties import Duty, _run_once

SECRET = "hunter2"
SPEC = f'{{"message": {{"title": "{SECRET}"}}}}'


@pytest.fixture
async def sentry() -> AsyncIterator[Received[dict[str, Any]]]:
    """What our errors are reported to while a test runs."""
    async with sentry_receiver() as received:
        with telemetry(Settings(sentry_dsn=received.url), service="tests"):
            yield received


async def raise_secretly(claimed: ClaimedJob, report: ReportProgress) -> Worked:
    password = SECRET
    raise ValueError(f"cannot log in with {password}")


async def fall_over(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError(f"no such header: {SECRET}")


async def fail() -> int:
    raise KeyError(SECRET)


def tags_of(event: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in event["tags"].items() if name != "request_id"}


async def test_work_that_raised_is_reported_with_its_job(bench: Bench, sentry: Received[dict[str, Any]]) -> None:
    """Type, traceback, release, job, kind and attempt; once, however often it raises within a minute."""
    job = await bench.submitted(spec=SPEC)
    execution, _ = bench.worker(raise_secretly)
    await execution.run(ring_of(job))
    second = await bench.submitted(spec=SPEC)
    await execution.run(ring_of(second))
    await execution.drain()
    await _run_once(Duty("rescue", 1.0, fail))
    event, other = await sentry.until(lambda events: len(events) > 1)
    assert other["tags"]["where"] == "duty"
    assert event["release"] == f"tocsin@{version('tocsin')}"
    assert tags_of(event) == {
        "service": "tests",
        "where": "work",
        "job_id": str(job.job_id),
        "kind": "notify",
        "attempt": "1",
    }
    (error,) = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("ValueError", "")
    assert error["stacktrace"]["frames"][-1]["function"] == "raise_secretly"
    assert SECRET.encode() not in _without_source(sentry)


async def test_a_request_that_failed_is_reported_with_its_id(bench: Bench, sentry: Received[dict[str, Any]]) -> None:
    """What was asked is not told, headers least of all."""
    authentication = Authentication(Access(bench.database, clock=utc_now), admin_key=None, is_keyless=True)
    gate = Gate(authentication, max_body_bytes=1000, is_metrics_open=True)
    front = Front(fall_over, gate, metrics=ApiMetrics(), access_log=AccessLog(None), max_body_bytes=1000)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=front), base_url="http://127.0.0.1") as client:
        response = await client.get("/broken", headers={"X-Password": SECRET, "X-Request-Id": "the-request"})
    assert response.status_code == 500
    (event,) = await sentry.until(len)
    assert event["tags"]["request_id"] == "the-request"
    assert tags_of(event) == {"service": "tests", "where": "request", "method": "GET"}
    assert "request" not in event
    assert SECRET.encode() not in _without_source(sentry)


async def test_a_duty_that_failed_is_reported_unless_a_server_is_away(sentry: Received[dict[str, Any]]) -> None:
    """A database that restarts is nobody's error."""

    async def find_nobody() -> int:
        raise StorageUnavailableError("the database is away or too slow")

    assert await _run_once(Duty("relay", 1.0, find_nobody)) == 0
    assert await _run_once(Duty("rescue", 1.0, fail)) == 0
    (event,) = await sentry.until(len)
    assert tags_of(event) == {"service": "tests", "where": "duty", "duty": "rescue"}


def test_a_dsn_that_is_none_is_refused_by_its_settings_name() -> None:
    """Without the DSN in the sentence, for it holds a key."""
    with (
        pytest.raises(NotConfiguredError, match="TOCSIN_SENTRY_DSN") as caught,
        telemetry(Settings(sentry_dsn="hunter2"), service="tests"),
    ):
        pass
    assert SECRET not in str(caught.value)


def _without_source(sentry: Received[dict[str, Any]]) -> bytes:
    """What was sent, but for the lines of this file that are shown around a frame."""
    return b"".join(sentry.raw).replace(b'SECRET = \\"hunter2\\"', b"")
