"""Pings and silence on a real database."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from heartbeat_site import HOUR, MINUTE, HeartbeatSite
from structlog.testing import capture_logs

from shared.domain.heartbeat.ping_delivery import Door, PingAddress, PingAnswer
from shared.domain.heartbeat.pings import PingKind
from shared.domain.live import SampleTold, StateTold
from shared.domain.monitor.standing import MonitorState
from shared.domain.target.outcome import Outcome
from shared.storage.database import Database
from shared.storage.heartbeat.ping_store import KEPT_PINGS, PingStore
from shared.tasks import end_tasks

SECOND = timedelta(seconds=1)


@pytest.fixture
def site(database: Database) -> HeartbeatSite:
    return HeartbeatSite(database)


async def test_the_first_ping_makes_a_pending_heartbeat_up(site: HeartbeatSite) -> None:
    """It is a sample, a state, a span, and what is waited for next: a period and the grace later."""
    monitor_id = await site.plant()
    before = datetime.now(UTC)
    assert await site.ping(monitor_id) is PingAnswer.TAKEN
    (sample,) = await site.samples(monitor_id)
    assert before - SECOND <= sample.ts <= datetime.now(UTC) + SECOND
    assert (sample.value, sample.outcome) == (None, Outcome.UP.code)
    assert [state for _, state, _ in await site.spans(monitor_id)] == [MonitorState.PENDING, MonitorState.UP]
    heartbeat = await site.row("heartbeats", monitor_id)
    assert heartbeat.expected_at == sample.ts + HOUR + MINUTE
    assert (await site.row("monitor_states", monitor_id)).covered_until == heartbeat.expected_at
    assert [type(event) for event in site.told] == [SampleTold, StateTold]


async def test_whoever_listens_goes_on_whatever_the_database_says(
    site: HeartbeatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that is refused once must not leave all silence unjudged until the process begins anew."""
    monkeypatch.setattr("shared.services.heartbeat.heartbeats.LISTEN_SECONDS", 0.01)
    async with site.database.transaction() as work:
        await work.run("alter table listening rename to unheard")
    with capture_logs() as logs:
        listening = asyncio.create_task(site.heartbeats.listen())
        async with asyncio.timeout(60):
            while not any(line["event"] == "listening_not_noted" for line in logs) and not listening.done():
                async with site.database.transaction() as work:
                    await work.fetch("select 1")
    async with site.database.transaction() as work:
        await work.run("alter table unheard rename to listening")
    noted: list[object] = []
    async with asyncio.timeout(60):
        while not noted and not listening.done():
            async with site.database.transaction() as work:
                noted = [*await work.fetch("select heard_at from listening")]
    assert noted
    await end_tasks([listening])


async def test_a_run_is_measured_from_its_start_to_its_end(site: HeartbeatSite) -> None:
    """The duration is the sample's value, the exit status one of its metrics."""
    monitor_id = await site.plant()
    run = uuid4()
    await site.ping(monitor_id, PingKind.START, run_id=run)
    await site.age(monitor_id, 30 * SECOND)
    await site.ping(monitor_id, PingKind.SUCCESS, run_id=run, exit_status=0)
    (sample,) = await site.samples(monitor_id)
    assert 30_000 <= sample.value < 60_000
    assert list(sample.extras) == [0.0]
    assert (await site.row("heartbeats", monitor_id)).started_at is None


async def test_a_run_that_another_overtook_is_measured_by_its_own_start(site: HeartbeatSite) -> None:
    """Which start belongs to an end is told by the run's id, not by which came last."""
    monitor_id = await site.plant(grace=HOUR)
    slow, quick = uuid4(), uuid4()
    await site.ping(monitor_id, PingKind.START, run_id=slow)
    await site.age(monitor_id, 60 * SECOND)
    await site.ping(monitor_id, PingKind.START, run_id=quick)
    await site.ping(monitor_id, PingKind.SUCCESS, run_id=quick)
    await site.ping(monitor_id, PingKind.SUCCESS, run_id=slow)
    first, second = await site.samples(monitor_id)
    assert first.value < 30_000
    assert second.value >= 60_000


async def test_a_failed_run_is_down_at_once_and_the_next_success_up(site: HeartbeatSite) -> None:
    """Nothing is confirmed: the target itself has said so."""
    monitor_id = await site.plant()
    await site.ping(monitor_id, PingKind.FAIL, exit_status=3)
    row = await site.row("monitor_states", monitor_id)
    assert (row.state, row.code) == (MonitorState.DOWN.code, "exit_status")
    await site.ping(monitor_id)
    assert [state for _, state, _ in await site.spans(monitor_id)] == ["pending", "down", "up"]


async def test_silence_is_down_since_the_ping_was_due(site: HeartbeatSite) -> None:
    """Not since somebody noticed; twice is once."""
    monitor_id = await site.plant()
    await site.ping(monitor_id)
    await site.age(monitor_id, HOUR + 10 * MINUTE)
    expected_at = (await site.row("heartbeats", monitor_id)).expected_at
    assert await site.heartbeats.watch() == 1
    assert await site.heartbeats.watch() == 0
    assert (await site.spans(monitor_id))[-1] == (expected_at, MonitorState.DOWN, "no_ping")
    row = await site.row("heartbeats", monitor_id)
    assert row.expected_at == expected_at + HOUR


async def test_what_is_not_due_is_left_alone(site: HeartbeatSite) -> None:
    """Neither one that was pinged in time nor one that never was."""
    await site.plant()
    await site.ping(await site.plant())
    assert await site.heartbeats.watch() == 0


async def test_a_run_that_does_not_end_is_down(site: HeartbeatSite) -> None:
    """The grace is what a run may take."""
    monitor_id = await site.plant()
    await site.ping(monitor_id, PingKind.START)
    await site.age(monitor_id, 2 * MINUTE)
    assert await site.heartbeats.watch() == 1
    assert (await site.spans(monitor_id))[-1][1:] == (MonitorState.DOWN, "run_too_long")


async def test_silence_while_nobody_listened_is_no_data(site: HeartbeatSite) -> None:
    """From the moment on when nobody did; then a full period is waited for anew."""
    monitor_id = await site.plant()
    await site.ping(monitor_id)
    await site.age(monitor_id, HOUR + 10 * MINUTE)
    now = datetime.now(UTC).replace(microsecond=0)
    await site.be_deaf(now - 40 * MINUTE, now - 30 * MINUTE)
    assert await site.heartbeats.watch() == 1
    assert (await site.spans(monitor_id))[-1] == (now - 40 * MINUTE, MonitorState.NO_DATA, "not_listening")
    assert (await site.row("heartbeats", monitor_id)).expected_at == now - 30 * MINUTE + HOUR + MINUTE
    assert await site.heartbeats.watch() == 0


async def test_while_nobody_listens_nobody_is_down(site: HeartbeatSite) -> None:
    """The API is away: what became due meanwhile is not known."""
    monitor_id = await site.plant()
    await site.ping(monitor_id)
    await site.age(monitor_id, HOUR + 10 * MINUTE)
    away_since = datetime.now(UTC).replace(microsecond=0) - 20 * MINUTE
    await site.hear_until(away_since)
    assert await site.heartbeats.watch() == 1
    assert (await site.spans(monitor_id))[-1] == (away_since, MonitorState.NO_DATA, "not_listening")


async def test_silence_is_not_judged_before_it_is_known_that_somebody_listened(site: HeartbeatSite) -> None:
    """The note of it comes once a second; until it does, nothing is said."""
    monitor_id = await site.plant()
    await site.ping(monitor_id)
    await site.age(monitor_id, HOUR + MINUTE + SECOND)
    await site.hear_until(datetime.now(UTC) - 5 * SECOND)
    assert await site.heartbeats.watch() == 0
    await site.hear_until(None)
    assert await site.heartbeats.watch() == 1


async def test_a_late_ping_does_not_hide_the_silence_before_it(site: HeartbeatSite) -> None:
    """Also where no worker was there to notice: the ping itself tells that none came before."""
    monitor_id = await site.plant()
    await site.ping(monitor_id)
    await site.age(monitor_id, 2 * HOUR)
    expected_at = (await site.row("heartbeats", monitor_id)).expected_at
    await site.ping(monitor_id)
    spans = await site.spans(monitor_id)
    assert [state for _, state, _ in spans] == ["pending", "up", "down", "up"]
    assert spans[2][0] == expected_at
    assert {sample.ts: sample.outcome for sample in await site.samples(monitor_id)}[expected_at] == Outcome.DOWN.code


async def test_pings_of_a_paused_heartbeat_are_kept_and_change_nothing(site: HeartbeatSite) -> None:
    """Whoever is paused is not judged."""
    monitor_id = await site.plant(state=MonitorState.PAUSED)
    assert await site.ping(monitor_id, PingKind.FAIL) is PingAnswer.PAUSED
    assert (await site.row("heartbeats", monitor_id)).pings == 1
    assert await site.samples(monitor_id) == []
    assert (await site.row("monitor_states", monitor_id)).state == MonitorState.PAUSED.code


async def test_an_unknown_address_is_not_found_and_a_shared_slug_is_ambiguous(site: HeartbeatSite) -> None:
    """Nothing is taken for anybody then."""
    first = await site.plant(slug="backup")
    await site.plant(slug="backup")
    await site.plant(slug="report")
    for door, name, answer in (
        (Door.PING_ID, str(uuid4()), PingAnswer.NOT_FOUND),
        (Door.PUSH_TOKEN, "no-token", PingAnswer.NOT_FOUND),
        (Door.SLUG, "no-slug", PingAnswer.NOT_FOUND),
        (Door.SLUG, "backup", PingAnswer.AMBIGUOUS),
        (Door.SLUG, "report", PingAnswer.TAKEN),
        (Door.PUSH_TOKEN, (await site.address(first)).push_token, PingAnswer.TAKEN),
    ):
        assert await site.heartbeats.take(site.delivery(PingAddress(door, name))) is answer
    assert (await site.row("heartbeats", first)).pings == 1


async def test_pings_that_arrive_together_are_all_kept_in_order(site: HeartbeatSite) -> None:
    """Through two processes at once; none is lost, no number is given twice, and each sign has a moment of its own."""
    monitor_id = await site.plant()
    other = HeartbeatSite(site.database)
    await asyncio.gather(*(each.ping(monitor_id) for _ in range(20) for each in (site, other)))
    async with site.database.transaction() as work:
        kept = await PingStore(work).list_kept(monitor_id, before=None, limit=100)
    assert kept is not None
    assert [ping.number for ping in kept] == list(range(40, 0, -1))
    assert (await site.row("heartbeats", monitor_id)).pings == 40


async def test_a_ping_that_is_older_than_the_latest_says_nothing(site: HeartbeatSite) -> None:
    """A failure that was overtaken by the success after it does not undo it."""
    monitor_id = await site.plant()
    await site.ping(monitor_id)
    long_ago = asyncio.get_running_loop().time() - 5
    await site.ping(monitor_id, PingKind.FAIL, received=long_ago)
    await site.ping(monitor_id, PingKind.START, received=long_ago)
    assert (await site.row("monitor_states", monitor_id)).state == MonitorState.UP.code
    assert (await site.row("heartbeats", monitor_id)).started_at is None


async def test_only_the_newest_pings_are_kept(site: HeartbeatSite) -> None:
    """Their number goes on; the oldest are deleted some at a time and shown no more."""
    monitor_id = await site.plant()
    address = PingAddress(Door.PING_ID, str((await site.address(monitor_id)).ping_id))
    count = KEPT_PINGS + 15
    for _ in range(5):
        await asyncio.gather(
            *(site.heartbeats.take(site.delivery(address, PingKind.LOG, body=b"x")) for _ in range(count // 5))
        )
    async with site.database.transaction() as work:
        kept = await PingStore(work).list_kept(monitor_id, before=None, limit=200)
        stored = await work.fetch("select count(*) from pings")
        assert await PingStore(work).find_body(monitor_id, count) == b"x"
        assert await PingStore(work).find_body(monitor_id, count - KEPT_PINGS) is None
    assert kept is not None
    assert [ping.number for ping in kept] == list(range(count, count - KEPT_PINGS, -1))
    assert stored[0][0] < KEPT_PINGS + 10
