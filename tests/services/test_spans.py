"""What is recorded of requests, commits, attempts and duties, as a collector of OpenTelemetry receives it."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import structlog
from http_servers import Seen, answer, serve
from job_bench import Bench, ring_of
from telemetry_receivers import Received, ReceivedSpan, otlp_receiver

from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import Failure
from shared.domain.job.leases import ClaimedJob
from shared.domain.traces import TraceContext, parse_traceparent
from shared.settings import Settings
from shared.telemetry import SpanKind, current_trace, is_tracing, span, with_traceparent
from shared.wiring.telemetry import telemetry
from worker.upkeep.duties import Duty, _run_once

TAKEN = answer(b"", headers={"Content-Type": "application/x-protobuf", "Connection": "close"})
REFUSED = answer(b"", status="400 Bad Request", headers={"Connection": "close"})
SPAN = "b7ad6b7169203331"


def trace(number: int, *, flags: int = 1) -> TraceContext:
    return TraceContext(f"{number:032x}", SPAN, flags)


@pytest.fixture
async def collector() -> AsyncIterator[Received[ReceivedSpan]]:
    """Where spans go while a test runs; of the traces begun here none is recorded."""
    async with otlp_receiver() as received:
        with telemetry(Settings(otlp_endpoint=received.url, trace_ratio=0.0), service="tests"):
            yield received


def has(count: int, name: str) -> Callable[[list[ReceivedSpan]], bool]:
    return lambda spans: sum(span.name == name for span in spans) >= count


async def test_a_commit_shared_by_many_is_one_span_linked_to_each(
    bench: Bench, collector: Received[ReceivedSpan]
) -> None:
    """It hangs below one trace and links to the others; a submission without a trace is in it too."""
    parents = [str(trace(number)) for number in range(1, 5)]
    await asyncio.gather(*(bench.submitted(traceparent=parent) for parent in [*parents, None]))
    (commit,) = await collector.until(has(1, "commit jobs"))
    assert (commit.trace_id, commit.parent_id) == (trace(1).trace_id, SPAN)
    assert (commit.attributes["tocsin.jobs"], commit.links) == (5, [SPAN] * 3)


async def test_each_attempt_is_a_span_of_the_jobs_trace(bench: Bench, collector: Received[ReceivedSpan]) -> None:
    """A failed one has its code and is an error, the next one is beside it; within, the trace is at hand."""
    at_hand: list[TraceContext | None] = []

    async def fail_once(claimed: ClaimedJob, report: ReportProgress) -> Worked:
        at_hand.append(current_trace())
        return Worked(failure=Failure("unavailable", "come back") if claimed.attempt == 1 else None)

    job = await bench.submitted(traceparent=str(trace(7)))
    execution, _ = bench.worker(fail_once)
    await execution.run(ring_of(job))
    await bench.make_due()
    await bench.recovery.promote()
    await execution.run(ring_of(job, 2))
    spans = [span for span in await collector.until(has(2, "process tocsin:notify")) if "process" in span.name]
    assert [(span.trace_id, span.parent_id, span.links) for span in spans] == [(trace(7).trace_id, SPAN, [SPAN])] * 2
    assert [(span.attributes["tocsin.job.outcome"], span.is_error) for span in spans] == [
        ("failed", True),
        ("succeeded", False),
    ]
    assert spans[0].attributes["error.type"] == "unavailable"
    assert [context and context.span_id for context in at_hand] == [span.span_id for span in spans]


async def test_the_ratio_is_of_traces_begun_here(bench: Bench, collector: Received[ReceivedSpan]) -> None:
    """At zero none of them is recorded, but they go on, marked so; a sampled one from outside is recorded."""
    with span("ours", SpanKind.SERVER):
        told = parse_traceparent(with_traceparent({})["traceparent"])
    with span("theirs", SpanKind.SERVER, parent=trace(9)):
        pass
    assert told is not None
    assert not told.is_sampled
    assert [span.name for span in await collector.until(len)] == ["theirs"]


async def test_a_duty_is_a_span_when_it_failed(collector: Received[ReceivedSpan]) -> None:
    """Its successes, twice a second, are none."""

    async def fail() -> int:
        raise KeyError("secret")

    async def move() -> int:
        return 1

    with span("watched", SpanKind.INTERNAL, parent=trace(3)):
        await _run_once(Duty("relay", 1.0, move))
        await _run_once(Duty("rescue", 1.0, fail))
    spans = {span.name: span for span in await collector.until(has(1, "watched"))}
    assert set(spans) == {"watched", "upkeep rescue"}
    assert (spans["upkeep rescue"].is_error, spans["upkeep rescue"].attributes["error.type"]) == (True, "KeyError")
    assert b"secret" not in b"".join(collector.raw)


async def wait_for_ever() -> None:
    with span("cancelled", SpanKind.INTERNAL, parent=trace(4)):
        await asyncio.Event().wait()


async def test_what_raises_is_an_error_and_what_is_cancelled_is_none(collector: Received[ReceivedSpan]) -> None:
    """The trace at hand is the outer one again, however a block ends."""
    waiting = asyncio.create_task(wait_for_ever())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(ValueError, match="secret"), span("raised", SpanKind.INTERNAL, parent=trace(4)):
        raise ValueError("secret")
    assert current_trace() is None
    spans = await collector.until(has(1, "raised"))
    assert {span.name: span.is_error for span in spans} == {"cancelled": False, "raised": True}
    assert b"secret" not in b"".join(collector.raw)


async def test_tracing_ends_with_its_block() -> None:
    """A process that stops sends what is left and records no more."""
    async with otlp_receiver() as received:
        with telemetry(Settings(otlp_endpoint=received.url), service="tests"):
            with span("last", SpanKind.INTERNAL):
                pass
            # Closing waits in this thread for what the receiver answers in this thread.
            await received.until(len)
        assert not is_tracing()
    assert [span.name for span in received.things] == ["last"]


async def test_a_collector_that_refuses_is_told_of_when_it_begins_and_when_it_ends() -> None:
    """Not for each batch: what is away for an hour would fill the log."""
    answers = iter([REFUSED, REFUSED, TAKEN])
    asked: asyncio.Queue[None] = asyncio.Queue()

    async def answer_next(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(next(answers, TAKEN))
        await writer.drain()
        asked.put_nowait(None)

    with structlog.testing.capture_logs() as lines:
        async with serve(answer_next) as server:
            with telemetry(Settings(otlp_endpoint=server.url("")), service="tests"):
                for _ in range(3):
                    with span("told", SpanKind.INTERNAL):
                        pass
                    async with asyncio.timeout(30):
                        await asked.get()
    assert [(line["event"], line.get("lost")) for line in lines] == [("spans_not_sent", None), ("spans_sent_again", 2)]


async def test_with_tracing_off_only_a_given_trace_is_handed_on() -> None:
    """And it is the caller's span that is told on, since there is none between."""
    with span("nothing", SpanKind.INTERNAL):
        assert current_trace() is None
        assert with_traceparent({"a": "b"}) == {"a": "b"}
    with span("handed on", SpanKind.INTERNAL, parent=trace(5)), span("inner", SpanKind.CLIENT) as inner:
        assert not inner.is_recorded
        assert with_traceparent({"a": "b"}) == {"a": "b", "traceparent": str(trace(5))}
        assert with_traceparent({"TraceParent": "mine"}) == {"TraceParent": "mine"}
