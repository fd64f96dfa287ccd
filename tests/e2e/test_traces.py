"""One trace from a client's request through the job to its target, and what becomes of it when tracing is off."""

import json
import time
from collections.abc import AsyncIterator

import httpx2
import pytest
from api_client import ADMIN_KEY
from api_process import ApiProcess, api_process
from http_servers import Server, always, answer, hang, serve
from telemetry_receivers import ReceivedSpan, otlp_receiver
from tocsin_processes import logged_worker

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{SPAN}-01"
STOP_SECONDS = 15.0
"""What sending the last spans may cost a stop: 3 seconds, and a slow machine's share."""


@pytest.fixture
async def site() -> AsyncIterator[Server]:
    """What is collected and told."""
    async with serve(always(answer())) as site:
        yield site


def collect(site: Server, **headers: str) -> dict[str, object]:
    return {"kind": "collect", "targets": [{"kind": "http", "url": site.url("/page"), "headers": headers}]}


def notify(site: Server) -> dict[str, object]:
    return {
        "kind": "notify",
        "message": {"title": "full", "text": "97 %"},
        "channel": {"kind": "webhook", "url": site.url("/hook")},
    }


async def submit(api: ApiProcess, body: dict[str, object], **headers: str) -> str:
    """The id of a job that has ended well."""
    known = {"Authorization": f"Bearer {ADMIN_KEY}", "Prefer": "wait=30"}
    async with httpx2.AsyncClient(timeout=60) as client:
        response = await client.post(f"{api.url}/api/v1/jobs", json=body, headers=known | headers)
    assert (response.status_code, response.json()["state"]) == (200, "succeeded"), response.text
    return str(response.json()["id"])


def named(spans: list[ReceivedSpan], trace_id: str) -> dict[str, ReceivedSpan]:
    return {span.name: span for span in spans if span.trace_id == trace_id}


async def test_one_trace_leads_from_the_request_to_the_target(
    fresh_database_url: str, redis_url: str, site: Server
) -> None:
    """The client's span, the request, the commit, the attempt and the look at the target are parents and children."""
    names = {"POST /api/v1/jobs (wait)", "commit jobs", "process tocsin:collect", "collect http"}
    own = {"database_url": fresh_database_url, "redis_url": redis_url}
    async with otlp_receiver() as received:
        with (
            api_process(**own, admin_key=ADMIN_KEY, otlp_endpoint=received.url) as api,
            logged_worker(**own, otlp_endpoint=received.url) as worker,
        ):
            api.wait_until_listening()
            job_id = await submit(api, collect(site), traceparent=GIVEN)
            spans = named(await received.until(lambda spans: set(named(spans, TRACE)) >= names), TRACE)
            await submit(api, notify(site))
            await received.until(lambda spans: any(span.name == "notify webhook" for span in spans))
            assert worker.stop() == 0
            ended = [line for line in worker.lines if line["event"] == "attempt_ended"]
            asked = [json.loads(line) for line in api.log.splitlines() if '"event":"request"' in line]
    request, commit = spans["POST /api/v1/jobs (wait)"], spans["commit jobs"]
    attempt, look = spans["process tocsin:collect"], spans["collect http"]
    assert (request.parent_id, commit.parent_id, attempt.parent_id, look.parent_id) == (
        SPAN,
        request.span_id,
        request.span_id,
        attempt.span_id,
    )
    assert attempt.links == [request.span_id]
    assert {request.service, commit.service, attempt.service, look.service} == {"tocsin-api", "tocsin-worker"}
    assert attempt.attributes["messaging.message.id"] == job_id
    assert (attempt.attributes["tocsin.job.attempt"], attempt.attributes["tocsin.job.outcome"]) == (1, "succeeded")
    assert (request.attributes["http.response.status_code"], look.attributes["http.response.status_code"]) == (200, 200)
    assert look.attributes["tocsin.target.name"] == site.url("/page")
    assert not any(span.is_error for span in spans.values())
    assert site.seen[0].headers["traceparent"] == f"00-{TRACE}-{look.span_id}-01"
    # A request without a trace begins one, and the webhook is told which.
    told = next(span for span in received.things if span.name == "notify webhook")
    assert told.trace_id != TRACE
    assert site.seen[1].headers["traceparent"].startswith(f"00-{told.trace_id}-{told.span_id}-")
    assert [(line["job_id"], line["attempt"], line["trace_id"], line["span_id"]) for line in ended[:1]] == [
        (job_id, 1, TRACE, attempt.span_id)
    ]
    assert (asked[0]["trace_id"], asked[0]["request_id"]) == (TRACE, request.attributes["tocsin.request_id"])


async def test_with_tracing_off_a_trace_is_handed_on_as_it_came(
    fresh_database_url: str, redis_url: str, site: Server
) -> None:
    """A job in no trace tells its target of none, and a header of the user's own is left alone."""
    own = {"database_url": fresh_database_url, "redis_url": redis_url}
    with api_process(**own, admin_key=ADMIN_KEY) as api, logged_worker(**own) as worker:
        api.wait_until_listening()
        await submit(api, collect(site), traceparent=GIVEN)
        await submit(api, notify(site), traceparent=GIVEN)
        await submit(api, collect(site))
        await submit(api, collect(site, TraceParent="mine"), traceparent=GIVEN)
        await submit(api, collect(site), traceparent="00-broken")
        assert worker.stop() == 0
        traces = [line.get("trace_id") for line in worker.lines if line["event"] == "attempt_ended"]
    assert [seen.headers.get("traceparent") for seen in site.seen] == [GIVEN, GIVEN, None, "mine", None]
    assert traces == [TRACE, TRACE, None, TRACE, None]


async def test_a_collector_that_never_answers_holds_up_nothing_and_is_told_of_once(
    fresh_database_url: str, redis_url: str, site: Server
) -> None:
    """Jobs run and the worker stops within seconds; the log has one line of it."""
    own = {"database_url": fresh_database_url, "redis_url": redis_url}
    async with serve(hang) as collector:
        with (
            api_process(**own, admin_key=ADMIN_KEY, otlp_endpoint=collector.url("")) as api,
            logged_worker(**own, otlp_endpoint=collector.url("")) as worker,
        ):
            api.wait_until_listening()
            for _ in range(3):
                await submit(api, collect(site))
            began = time.monotonic()
            assert worker.stop() == 0
            assert time.monotonic() - began < STOP_SECONDS
            lines = worker.lines
    assert [line["event"] for line in lines].count("attempt_ended") == 3
    assert [line["event"] for line in lines].count("spans_not_sent") == 1
