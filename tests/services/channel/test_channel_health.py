"""Channels that fail are spared, tried, and found again; one that is gone is disabled."""

from datetime import timedelta
from typing import Any

import pytest
from http_servers import serve
from notice_bench import NoticeBench, Receiver
from notice_site import subject
from redis.asyncio import Redis
from secret_keys import VAULT

from shared.clock import utc_now
from shared.coordination.channel_turns import ChannelTurns
from shared.domain.channel.channel_changes import SwitchChannel
from shared.domain.channel.channel_health import LONGEST_SNOOZE, THRESHOLD, TURN, ChannelState, snooze_of
from shared.domain.job.jobs import Failure
from shared.domain.live import ChannelTold, LiveEvent
from shared.notifiers.base import Delivery
from shared.services.channel.channel_health import ChannelHealth
from shared.services.channel.channel_trials import ChannelTrials
from shared.services.channel.channels import Channels

GONE = Delivery({}, Failure("gone", "the receiver answered 410", is_permanent=True))
REFUSED = Delivery({}, Failure("unavailable", "the receiver answered 503"))


async def channel(notices: NoticeBench) -> Any:
    [row] = await notices.site.rows("select * from channels")
    return row


async def test_a_channel_that_fails_is_tried_by_one_notice_in_a_while(notices: NoticeBench) -> None:
    """After five failures in a row the others wait, no attempt spent; the first delivery lets all of them go."""
    async with notices.receiving(status="503 Service Unavailable", group_by=["host"]) as receiver:
        await notices.site.fire(*(subject(f"h{number}") for number in range(8)))
        await notices.try_all()
        # Five open the circuit, the sixth has the turn that nobody had yet.
        assert len(receiver.seen) == THRESHOLD + 1
        row = await channel(notices)
        assert (row.failures, row.failing_since is not None) == (THRESHOLD + 1, True)
        waiting = await notices.site.rows("select attempt, snoozes, state from jobs where snoozes > 0")
        assert [(each.attempt, each.snoozes, each.state) for each in waiting] == [(0, 1, "retrying")] * 2
        await notices.try_all()
        assert len(receiver.seen) == THRESHOLD + 1
        receiver.status = "200 OK"
        await notices.bench.redis.flushall()
        await notices.try_all()
        await notices.run()
    row = await channel(notices)
    assert (row.failures, row.failing_since) == (0, None)
    assert row.delivered_at is not None
    assert await notices.states() == ["delivered"] * 8


async def test_a_first_delivery_after_failures_is_said_to_heal(notices: NoticeBench) -> None:
    """Once; what works all along heals nothing."""
    health = ChannelHealth(notices.bench.database, ChannelTurns(notices.bench.redis))
    channel_id = await notices.site.channel()
    assert not (await health.note(channel_id, Delivery({}))).is_healed
    await health.note(channel_id, REFUSED)
    assert (await health.note(channel_id, Delivery({}))).is_healed
    assert not (await health.note(channel_id, Delivery({}))).is_healed


async def test_workers_share_a_turn_and_without_redis_all_have_one(notices: NoticeBench) -> None:
    """A channel that is tried too often is better than one that nobody tries."""
    channel_id = await notices.site.channel()
    first, second = (ChannelHealth(notices.bench.database, ChannelTurns(notices.bench.redis)) for _ in range(2))
    assert await first.ask(channel_id, failures=THRESHOLD - 1, snoozes=0) is None
    assert await first.ask(channel_id, failures=THRESHOLD, snoozes=0) is None
    wait = await second.ask(channel_id, failures=THRESHOLD, snoozes=0)
    assert wait is not None
    assert TURN / 2 <= wait <= TURN
    assert 0 < await notices.bench.redis.pttl(f"tocsin:channel:{channel_id}:turn") <= TURN.total_seconds() * 1000
    async with Redis.from_url("redis://127.0.0.1:1") as away:
        alone = ChannelHealth(notices.bench.database, ChannelTurns(away))
        assert await alone.ask(channel_id, failures=THRESHOLD, snoozes=0) is None


async def test_watchers_are_told_when_a_channel_changes_and_not_at_each_try(notices: NoticeBench) -> None:
    """When its circuit opens, when it works again, when it is gone, and when somebody switches it."""
    told: list[LiveEvent] = []
    turns = ChannelTurns(notices.bench.redis)
    health = ChannelHealth(notices.bench.database, turns, tell=told.extend)
    channel_id = await notices.site.channel()
    for delivery in (*[REFUSED] * 2, Delivery({}), *[REFUSED] * 7, Delivery({}), Delivery({}), GONE, GONE):
        await health.note(channel_id, delivery)
    channels = Channels(notices.bench.database, VAULT, tell=told.extend)
    await channels.change(SwitchChannel(channel_id, is_enabled=True), by="ann")
    await channels.change(SwitchChannel(channel_id, is_enabled=True), by="ann")
    await channels.change(SwitchChannel(channel_id, is_enabled=False, reason="moving"), by="ann")
    assert [(each.state, each.reason) for each in told if isinstance(each, ChannelTold)] == [
        (ChannelState.FAILING, "the receiver answered 503"),
        (ChannelState.WORKING, None),
        (ChannelState.DISABLED, "the receiver answered 410"),
        (ChannelState.WORKING, None),
        (ChannelState.DISABLED, "moving"),
    ]


@pytest.mark.parametrize("draw", [0.0, 0.999])
def test_a_notice_waits_longer_each_time_up_to_a_bound(draw: float) -> None:
    """Spread, so that not all of them ask at once."""
    waits = [snooze_of(snoozes, draw=draw) for snoozes in (*range(20), 10_000)]
    assert waits == sorted(waits)
    assert timedelta(seconds=7) < waits[0] <= TURN
    assert LONGEST_SNOOZE / 2 <= waits[-1] <= LONGEST_SNOOZE


async def test_a_receiver_that_is_gone_disables_its_channel(notices: NoticeBench) -> None:
    """410 of RFC 9110; the reason is kept, and it is enabled by hand only."""
    async with notices.receiving(status="410 Gone"):
        await notices.site.fire(subject("a"))
        await notices.run()
    row = await channel(notices)
    assert row.disabled_at is not None
    assert "410" in row.disabled_reason
    assert row.version == 2
    assert await notices.states() == ["failed"]


@pytest.mark.parametrize("status", ["200 OK", "503 Service Unavailable"])
async def test_a_test_is_tried_once_whatever_stands_against_it(notices: NoticeBench, status: str) -> None:
    """Though the channel is disabled and its circuit open; it says that it is a test."""
    trials = ChannelTrials(notices.bench.database, notices.bench.announcer, clock=utc_now)
    receiver = Receiver(status=status)
    async with serve(receiver) as server:
        channel_id = await notices.site.channel(url=server.url())
        await notices.site.set("update channels set disabled_at = now(), failures = 50")
        trial = await trials.begin(channel_id)
        assert trial is not None
        await notices.run()
    [body] = receiver.bodies
    assert receiver.ids == {str(trial.notice_id): 1}
    assert [alert["labels"]["alertname"] for alert in body["alerts"]] == ["TocsinTest"]
    assert await notices.states() == ["delivered" if status == "200 OK" else "failed"]
