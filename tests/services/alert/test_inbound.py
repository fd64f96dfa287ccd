"""Alerts from elsewhere, from whoever sends them to whom they are told."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import pytest
from http_servers import serve
from job_bench import Bench
from json_servers import Answer, Sent, receive_json
from notice_bench import NoticeBench, Receiver

from shared.clock import utc_now
from shared.coordination.channel_turns import ChannelTurns
from shared.domain.alert.inbound import RESOLVE_TIMEOUT, InboundAct, InboundAlert
from shared.domain.live import AlertTold, LiveEvent
from shared.notifiers.posting import Poster
from shared.notifiers.slack import SlackNotifier
from shared.services.alert.inbound import PATIENCE, InboundAlerts
from shared.services.channel.channel_health import ChannelHealth
from shared.services.notice.notice_work import NoticeTelling, NoticeWork
from shared.transport.curl import CurlClient
from shared.vault import Vault

PAST = utc_now() - timedelta(hours=1)


def sent(host: str, *, is_over: bool = False, **labels: str) -> InboundAlert:
    labels = {"alertname": "DiskFull", "host": host, **labels}
    return InboundAlert(labels, starts_at=PAST, ends_at=PAST if is_over else None)


class Door:
    """Takes alerts in as an API process does; `told` is what it published."""

    def __init__(self, bench: Bench) -> None:
        self.told: list[LiveEvent] = []
        self.now: datetime | None = None
        self.alerts = InboundAlerts(bench.database, bench.announcer, self.told.extend, clock=self.clock)

    def clock(self) -> datetime:
        return self.now or utc_now()

    async def take(self, *alerts: InboundAlert) -> dict[InboundAct, int]:
        return dict(await self.alerts.receive(alerts, lasts=RESOLVE_TIMEOUT))


@pytest.fixture
def door(bench: Bench) -> Door:
    return Door(bench)


async def test_they_are_told_on_the_channels_that_match_them(notices: NoticeBench, door: Door) -> None:
    """Firing and resolved, once each, however often they are sent; a channel for others hears nothing."""
    ours, others = Receiver(), Receiver()
    async with serve(ours) as near, serve(others) as far:
        await notices.site.channel("ours", url=near.url(), matchers="team=db")
        await notices.site.channel("others", url=far.url(), matchers="team=web")
        for _ in range(3):
            await door.take(sent("a", team="db"))
            await notices.run()
        assert ours.told == [("a", "firing")]
        await door.take(sent("a", team="db", is_over=True))
        await notices.run()
    assert ours.told == [("a", "firing"), ("a", "resolved")]
    assert others.seen == []
    assert [(event.state, event.reason) for event in door.told if isinstance(event, AlertTold)] == [
        ("firing", "met"),
        ("resolved", "sent_resolved"),
    ]


async def test_one_that_is_not_repeated_is_told_as_resolved(notices: NoticeBench, door: Door) -> None:
    """Whoever sent it has fallen silent."""
    async with notices.receiving(matchers="alertname=DiskFull") as receiver:
        await door.take(sent("a"), sent("b"))
        await notices.run()
        door.now = utc_now() + RESOLVE_TIMEOUT - timedelta(minutes=1)
        await door.take(sent("b"))
        door.now += timedelta(minutes=2)
        assert await door.alerts.expire() == 1
        await notices.run()
    assert Counter(receiver.told)["a", "resolved"] == 1
    assert ("b", "resolved") not in receiver.told


async def test_nothing_expires_because_we_were_away(door: Door, bench: Bench) -> None:
    """A worker that begins, or could not look for a while, gives senders the time to repeat themselves."""
    begun = utc_now()
    worker = InboundAlerts(bench.database, bench.announcer, door.told.extend, clock=door.clock, patience=PATIENCE)

    async def expire_at(minutes: float) -> int:
        door.now = begun + timedelta(minutes=minutes)
        return await worker.expire()

    await door.take(sent("a"), sent("b"))
    assert [await expire_at(minute) for minute in (6, 7, 8)] == [0, 0, 0]
    await door.take(sent("b"))
    assert [await expire_at(minute / 2) for minute in range(17, 24)] == [0, 0, 0, 0, 0, 1, 0]
    # Nobody looked for half an hour.
    assert [await expire_at(minute) for minute in (42, 43, 44, 45, 46, 47)] == [0, 0, 0, 0, 0, 1]


async def test_senders_that_race_make_one_alert_of_each(notices: NoticeBench, bench: Bench) -> None:
    """Several processes take the same alerts in, in different orders, while others expire; nobody waits for ever."""
    hosts = [f"h{number:02}" for number in range(30)]
    doors = [Door(bench) for _ in range(4)]

    async def send(door: Door, order: Sequence[str]) -> None:
        for _ in range(3):
            await door.take(*map(sent, order))
            await door.alerts.expire()

    async with asyncio.timeout(60):
        await asyncio.gather(*(send(door, hosts[turn:] + hosts[:turn]) for turn, door in enumerate(doors)))
    rows = await notices.site.rows("select labels ->> 'host' as host, state from alerts order by 1")
    assert [(row.host, row.state) for row in rows] == [(host, "firing") for host in hosts]
    events = await notices.site.rows("select count(*) as n from alert_events where kind = 'fire'")
    assert events[0].n == len(hosts)


async def test_a_slack_message_is_updated_by_what_is_sent_later(
    notices: NoticeBench, door: Door, client: CurlClient, bench: Bench
) -> None:
    """What Slack gave for the first notice of a group is kept for the next one."""

    def as_slack(seen: Sent) -> Answer:
        return "200 OK", {"ok": True, "channel": "C1", "ts": seen.body.get("ts", f"{len(slack.sent)}.0")}

    health = ChannelHealth(bench.database, ChannelTurns(bench.redis))
    telling = NoticeTelling({"slack": SlackNotifier(Poster(client))}, Vault(), health)
    notices.notices = NoticeWork(bench.database, bench.announcer, telling, clock=utc_now)
    notices.execution = notices.worker()
    async with receive_json(as_slack) as slack:
        await notices.site.channel(matchers="alertname=DiskFull")
        config = {"kind": "slack", "token": "xoxb-1", "channel": "#ops", "api_url": slack.server.url("/api")}
        await notices.site.set("update channels set kind = 'slack', config = $1", msgspec.json.encode(config).decode())
        for alert in (sent("a"), sent("b"), sent("a", is_over=True), sent("b", is_over=True), sent("c")):
            await door.take(alert)
            await notices.run()
    posted, updated = slack.bodies("/api/chat.postMessage"), slack.bodies("/api/chat.update")
    # The first message is of a and b; c, after their end, is a new one.
    assert [body["ts"] for body in updated] == ["1.0"] * 3
    assert [body.get("thread_ts") for body in posted] == [None, "1.0", "1.0", "1.0", None]
    assert [body.get("reply_broadcast", False) for body in posted] == [False, True, False, False, False]
