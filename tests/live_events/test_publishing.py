"""What happens is told in the stream, many events in one entry, and what could not be told is counted."""

from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest
from redis.asyncio import Redis

from shared.domain.alert.alerts import AlertState
from shared.domain.channel.channel_health import ChannelState
from shared.domain.job.jobs import JobKind, JobState
from shared.domain.job.leases import JobChange
from shared.domain.live import AlertTold, ChannelTold, LiveEvent, SampleTold, StateTold
from shared.domain.monitor.standing import MonitorState
from shared.domain.target.outcome import Outcome
from shared.live_events import STREAM, Batch, LiveEvents, publisher
from shared.live_events.wire import FIELD, decode_batch, encode_batch

WAIT_MS = 8_000
"""Less than the client's own patience with a silent socket."""

AT = datetime(2026, 11, 21, 5, 10, 47, 713000, tzinfo=UTC)


def job_event(version: int = 1) -> JobChange:
    return JobChange(uuid4(), version, JobState.QUEUED, JobKind.COLLECT)


async def batches(redis: Redis) -> list[Batch]:
    """What the stream holds."""
    return [decode_batch(fields[FIELD]) for _, fields in await redis.xrange(STREAM)]


async def next_batch(redis: Redis) -> Batch:
    """The first entry of the stream, as soon as there is one."""
    [[_, [[_, fields], *_]]] = await redis.xread({STREAM: 0}, block=WAIT_MS)
    return decode_batch(fields[FIELD])


async def events(redis: Redis) -> list[LiveEvent]:
    """All events that the stream holds."""
    return [event for batch in await batches(redis) for event in batch.events]


def test_every_kind_of_event_comes_back_as_it_was() -> None:
    """Moments are aware and in UTC, and what is not known stays unknown."""
    told: list[LiveEvent] = [
        SampleTold(uuid4(), AT, Outcome.DOWN, 12.345, "timeout"),
        SampleTold(uuid4(), AT, Outcome.UP, None),
        StateTold(uuid4(), AT, MonitorState.NO_DATA, "missed", "A slot was missed."),
        AlertTold(uuid4(), uuid4(), uuid4(), AlertState.FIRING, AT, "slow", "critical", "met_long_enough"),
        AlertTold(uuid4(), None, None, AlertState.RESOLVED, AT, "DiskFull", "page", "expired"),
        ChannelTold(uuid4(), ChannelState.DISABLED, AT, "ops", "the receiver answered 410"),
        ChannelTold(uuid4(), ChannelState.WORKING, AT, "ops"),
        JobChange(uuid4(), 7, JobState.SUCCEEDED, JobKind.NOTIFY),
        JobChange(uuid4(), 7, JobState.SUCCEEDED),
    ]
    assert decode_batch(encode_batch(told, lost=3)) == Batch(tuple(told), lost=3)


def test_an_event_of_a_later_version_is_passed_over_alone() -> None:
    """Its neighbours in the entry are told, and fields appended to a known event do no harm."""
    known = job_event()
    longer = ["job", known.job_id.bytes, 1, "queued", "collect", "a field of a later version"]
    entry = [0, [["weather", 1], ["job", known.job_id.bytes, 1, "resting"], longer]]
    assert decode_batch(msgspec.msgpack.encode(entry)) == Batch((known,))


@pytest.mark.parametrize("foreign", [b"", b"hello", msgspec.msgpack.encode([0]), msgspec.msgpack.encode({})])
def test_what_is_no_entry_is_refused(foreign: bytes) -> None:
    """Whoever reads the stream can tell it from an entry without events."""
    with pytest.raises(ValueError, match=r".+"):
        decode_batch(foreign)


async def test_events_that_come_together_share_an_entry(redis: Redis) -> None:
    """In their order; 250 events are three entries, whose bound keeps entries small."""
    told = [job_event(number) for number in range(250)]
    live = LiveEvents(redis)
    for event in told:
        live.publish_soon([event])
    await live.drain()
    assert [len(batch.events) for batch in await batches(redis)] == [100, 100, 50]
    assert await events(redis) == told


async def test_nobody_has_to_wait_or_drain(redis: Redis) -> None:
    """What was handed over goes out by itself."""
    event = job_event()
    LiveEvents(redis).publish_soon([event])
    assert await next_batch(redis) == Batch((event,))


async def test_the_stream_is_bounded(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest entries go, a hundred at a time, so that Redis does not fill up while nobody watches."""
    monkeypatch.setattr(publisher, "MAX_ENTRIES", 100)
    monkeypatch.setattr(publisher, "MAX_BATCH", 1)
    live = LiveEvents(redis)
    told = [job_event(number) for number in range(500)]
    live.publish_soon(told)
    await live.drain()
    kept = await events(redis)
    assert 100 <= len(kept) <= 200
    assert kept == told[-len(kept) :]


async def test_events_beyond_the_bound_are_counted_and_told_as_lost(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process does not grow while Redis is slow, and whoever watches learns that something is missing."""
    monkeypatch.setattr(publisher, "MAX_PENDING", 3)
    live = LiveEvents(redis)
    told = [job_event(number) for number in range(5)]
    live.publish_soon(told)
    await live.drain()
    assert await batches(redis) == [Batch(tuple(told[:3]), lost=2)]


async def test_what_redis_did_not_take_is_told_as_lost_when_it_is_back(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, without another event: otherwise a watcher would go on believing what it knows."""
    monkeypatch.setattr(publisher, "RETRY_SECONDS", 0.01)
    await redis.set(STREAM, "no stream")
    live = LiveEvents(redis)
    live.publish_soon([job_event(), job_event()])
    await live.drain()
    await redis.delete(STREAM)
    assert await next_batch(redis) == Batch((), lost=2)
