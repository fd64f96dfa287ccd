"""Notices from the firing to the receiver."""

import json
from datetime import timedelta

from http_servers import serve
from notice_bench import NoticeBench, Receiver
from notice_site import subject
from prometheus_client import REGISTRY

from shared.domain.job.jobs import Ring
from shared.domain.notice.notices import MAX_EVENTS
from shared.domain.rule.rules import EscalationStep

COUNTED: list[tuple[str, dict[str, str]]] = [
    ("tocsin_notices_total", {"kind": "webhook", "state": "delivered"}),
    ("tocsin_notice_seconds_count", {}),
    ("tocsin_notice_seconds_sum", {}),
]


async def test_a_firing_is_told_once_and_then_its_resolve(notices: NoticeBench) -> None:
    """One notice each, known by its own id, and nothing is owed afterwards."""
    async with notices.receiving() as receiver:
        [alert_id] = await notices.site.fire(subject("a"))
        await notices.run()
        assert receiver.told == [("a", "firing")]
        assert not await notices.is_settled(alert_id)
        await notices.site.resolve(alert_id)
        await notices.run()
    assert receiver.told == [("a", "firing"), ("a", "resolved")]
    assert await notices.states() == ["delivered", "delivered"]
    assert {each.notice_id for each in await notices.site.notices()} == {
        each.fire_notice_id or each.resolve_notice_id for each in await notices.site.tellings()
    } | {each.resolve_notice_id for each in await notices.site.tellings()}
    assert set(receiver.ids.values()) == {1}
    assert await notices.is_settled(alert_id)
    assert receiver.bodies[0]["commonAnnotations"] == {"summary": "a is slow"}


async def test_a_storm_is_told_whole_by_few_notices(notices: NoticeBench) -> None:
    """More alerts than one notice has room for are told by two, each exactly once as news, the critical ones first."""
    async with notices.receiving(group_interval="1h") as receiver:
        critical = [subject("critical", severity="critical")]
        await notices.site.fire(*(subject(f"h{number:03}") for number in range(1499)), *critical)
        await notices.run()
    assert len(receiver.seen) == 2
    assert receiver.told[0] == ("critical", "firing")
    news = {seen for body in receiver.bodies for seen in ((a["labels"]["host"], a["status"]) for a in body["alerts"])}
    assert len(news) == 1500
    assert [len(body["alerts"]) for body in receiver.bodies] == [1000, 500 + 100]
    assert [body["truncatedAlerts"] for body in receiver.bodies] == [500, 900]


async def test_pagerduty_gets_a_storm_by_few_events_at_a_time(notices: NoticeBench) -> None:
    """It takes some hundred events a minute: a try that posts more is refused, and would begin anew each time."""
    async with notices.receiving(kind="pagerduty", status="202 Accepted") as receiver:
        await notices.site.fire(*(subject(f"h{number:03}") for number in range(MAX_EVENTS + 10)))
        await notices.try_all()
        assert len(receiver.seen) == MAX_EVENTS
        await notices.run()
    keys = [json.loads(seen.body)["dedup_key"] for seen in receiver.seen]
    assert len(keys) == len(set(keys)) == MAX_EVENTS + 10


async def test_fire_and_resolve_while_the_channel_is_down_come_in_their_order(notices: NoticeBench) -> None:
    """The firing is tried until it is taken; then comes its resolve."""
    async with notices.receiving(status="503 Service Unavailable") as receiver:
        [alert_id] = await notices.site.fire(subject("a"))
        await notices.try_all()
        await notices.site.resolve(alert_id)
        await notices.try_all()
        receiver.status = "200 OK"
        await notices.run()
    assert receiver.told == [("a", "firing")] * 3 + [("a", "resolved")]
    assert sorted(receiver.ids.values()) == [1, 3]
    assert await notices.is_settled(alert_id)


async def test_what_resolved_before_it_was_told_is_told_by_one_notice(notices: NoticeBench) -> None:
    """People learn that it fired and is over."""
    async with notices.receiving(group_wait="1m") as receiver:
        [alert_id] = await notices.site.fire(subject("a"))
        await notices.site.resolve(alert_id)
        await notices.run()
    assert receiver.told == [("a", "resolved")]
    [telling] = await notices.site.tellings()
    assert telling.fire_notice_id == telling.resolve_notice_id
    assert telling.is_settled


async def test_a_resolve_goes_out_through_a_silence(notices: NoticeBench) -> None:
    """A silence that began after the firing was told holds its resolve back no moment."""
    async with notices.receiving() as receiver:
        [alert_id] = await notices.site.fire(subject("a"))
        await notices.run()
        await notices.site.silence("host=a")
        await notices.site.resolve(alert_id)
        await notices.run()
    assert receiver.told == [("a", "firing"), ("a", "resolved")]


async def test_a_silenced_firing_is_told_when_the_silence_ends(notices: NoticeBench) -> None:
    """Until then nothing is told, and the reason is written down; what resolves meanwhile is never told."""
    async with notices.receiving() as receiver:
        silence_id = await notices.site.silence("team=web")
        stays, passes = await notices.site.fire(subject("a", team="web"), subject("b", team="web"))
        await notices.run()
        assert await notices.states() == ["empty"]
        assert {each.suppressed[0]["kind"] for each in await notices.site.tellings()} == {"silence"}
        await notices.site.resolve(passes)
        await notices.upkeep.recheck()
        await notices.run()
        assert receiver.told == []
        assert await notices.is_settled(passes)
        await notices.site.set("update silences set ends_at = now() where silence_id = $1", silence_id)
        await notices.upkeep.recheck()
        await notices.run()
    assert receiver.told == [("a", "firing")]
    assert not await notices.is_settled(stays)
    events = await notices.site.rows("select kind from alert_events where alert_id = $1 order by event_id", stays)
    assert [event.kind for event in events] == ["fire", "suppressed"]


async def test_a_dead_letter_still_has_its_resolve_tried(notices: NoticeBench) -> None:
    """The firing is refused for good; the resolve is sent by a notice of its own."""
    async with notices.receiving(status="400 Bad Request") as receiver:
        [alert_id] = await notices.site.fire(subject("a"))
        await notices.run()
        assert await notices.states() == ["failed"]
        receiver.status = "200 OK"
        await notices.site.resolve(alert_id)
        await notices.run()
    assert await notices.states() == ["failed", "delivered"]
    assert receiver.told[-1] == ("a", "resolved")


async def test_a_disabled_channel_holds_firings_back_and_is_told_resolves(notices: NoticeBench) -> None:
    """What fires meanwhile is told when it is enabled again."""
    async with notices.receiving() as receiver:
        [told] = await notices.site.fire(subject("a"))
        await notices.run()
        await notices.site.set("update channels set disabled_at = now()")
        await notices.site.fire(subject("b"))
        await notices.site.resolve(told)
        await notices.run()
        assert receiver.told == [("a", "firing"), ("a", "resolved")]
        await notices.upkeep.recheck()
        await notices.run()
        assert len(receiver.seen) == 2
        await notices.site.set("update channels set disabled_at = null")
        await notices.upkeep.recheck()
        await notices.run()
    assert receiver.told[2:] == [("b", "firing")]


async def test_a_channel_disabled_after_composing_refuses_what_only_fires(notices: NoticeBench) -> None:
    """The notice is a dead letter, to be redelivered once the channel is enabled."""
    async with notices.receiving(status="503 Service Unavailable"):
        await notices.site.fire(subject("a"))
        await notices.try_all()
        await notices.site.set("update channels set disabled_at = now()")
        await notices.run()
    assert await notices.states() == ["failed"]
    [job] = await notices.site.rows("select error->>'code' as code from jobs")
    assert job.code == "channel_disabled"


async def test_a_deleted_channel_is_told_the_resolves_it_is_owed(notices: NoticeBench) -> None:
    """And nothing else: what fires then, or was not told yet, is nobody's any more."""
    async with notices.receiving(group_wait="1m") as receiver:
        [told] = await notices.site.fire(subject("a"))
        await notices.run()
        [untold] = await notices.site.fire(subject("b"))
        await notices.site.set("update channels set deleted_at = now()")
        await notices.run()
        await notices.site.resolve(told, untold)
        await notices.run()
    assert receiver.told == [("a", "firing"), ("a", "resolved")]
    assert await notices.is_settled(untold)


async def test_a_healed_channel_makes_no_notice_wait(notices: NoticeBench) -> None:
    """Once one notice is taken after failures, the others are due at once."""
    async with notices.receiving(status="503 Service Unavailable", group_by=["host"]) as receiver:
        await notices.site.fire(subject("a"), subject("b"), subject("c"))
        await notices.try_all()
        await notices.site.set("update jobs set run_at = now() + interval '1 hour'")
        receiver.status = "200 OK"
        [first, *_] = await notices.site.rows("select job_id from jobs order by job_id")
        await notices.site.set("update jobs set run_at = now() where job_id = $1", first.job_id)
        await notices.bench.recovery.promote()
        [row] = await notices.site.rows("select job_id, dispatch_no, queue from jobs where state = 'queued'")
        await notices.execution.run(Ring(row.job_id, row.dispatch_no, row.queue))
    waiting = await notices.site.rows("select run_at <= now() as is_due from jobs where state = 'retrying'")
    assert [row.is_due for row in waiting] == [True, True]


async def test_a_secret_that_was_mended_heals_the_notices_that_wait(notices: NoticeBench) -> None:
    """The channel is read anew for each try; one that cannot be unsealed is our fault, and is tried again."""
    async with notices.receiving() as receiver:
        await notices.site.fire(subject("a"))
        await notices.site.set("update channels set is_sealed = true")
        await notices.try_all()
        [job] = await notices.site.rows("select state, error->>'code' as code from jobs")
        assert (job.state, job.code) == ("retrying", "secret_unreadable")
        await notices.site.set("update channels set is_sealed = false")
        await notices.run()
    assert receiver.told == [("a", "firing")]


async def test_a_broken_template_loses_no_notice(notices: NoticeBench) -> None:
    """The built-in words stand in."""
    async with notices.receiving(templates={"text": "{{ 1 / 0 }}", "body": "{{ nothing"}) as receiver:
        await notices.site.fire(subject("a"))
        await notices.run()
    assert await notices.states() == ["delivered"]
    assert receiver.told == [("a", "firing")]


async def test_what_is_told_is_counted(notices: NoticeBench) -> None:
    """By the channel's kind and how it ended; the time counts from the firing to its first delivery."""
    before = {name: REGISTRY.get_sample_value(name, labels) or 0 for name, labels in COUNTED}
    async with notices.receiving():
        [alert_id] = await notices.site.fire(subject("a"))
        await notices.run()
        await notices.site.resolve(alert_id)
        await notices.run()
    grown = {name: (REGISTRY.get_sample_value(name, labels) or 0) - before[name] for name, labels in COUNTED}
    assert [grown[name] for name, _ in COUNTED[:2]] == [2, 1]
    assert 1 <= grown["tocsin_notice_seconds_sum"] < 60


async def test_reminders_tell_what_still_fires_until_somebody_acknowledges(notices: NoticeBench) -> None:
    """After the interval it is told again, as a reminder; acknowledged or resolved it is not."""
    due = "update alert_groups set remind_at = now() where remind_at is not null"
    async with notices.receiving(repeat_interval="1h") as receiver:
        [alert_id] = await notices.site.fire(subject("a"))
        await notices.run()
        await notices.upkeep.remind()
        await notices.run()
        assert len(receiver.seen) == 1
        await notices.site.set(due)
        await notices.upkeep.remind()
        await notices.run()
        assert [notice.kind for notice in await notices.site.notices()] == ["alert", "reminder"]
        assert receiver.told == [("a", "firing")] * 2
        await notices.site.acknowledge(alert_id)
        await notices.site.set(due)
        await notices.upkeep.remind()
        await notices.run()
        assert len(receiver.seen) == 2
        [group] = await notices.site.rows("select remind_at > now() as is_put_off from alert_groups")
        assert group.is_put_off
        await notices.site.resolve(alert_id)
        await notices.run()
    assert receiver.told[2:] == [("a", "resolved")]
    [group] = await notices.site.rows("select remind_at from alert_groups")
    assert group.remind_at is None


async def test_escalation_tells_the_next_channels_until_somebody_acknowledges(notices: NoticeBench) -> None:
    """Each step once, as the rule says; who was told of the firing is told of the resolve."""
    receiver, chief, board = Receiver(), Receiver(), Receiver()
    steps = [
        EscalationStep(after=timedelta(minutes=after), channels=[name]) for after, name in [(5, "chief"), (9, "board")]
    ]
    due = "update alerts set escalate_at = now() where escalate_at is not null"
    async with serve(receiver) as ops, serve(chief) as second, serve(board) as third:
        for name, server in [("ops", ops), ("chief", second), ("board", third)]:
            await notices.site.channel(name, url=server.url())
        [alert_id] = await notices.site.fire(await notices.site.ruled(subject("a"), steps))
        await notices.escalation.run()
        await notices.run()
        assert chief.told == []
        await notices.site.set(due)
        assert await notices.escalation.run() == 1
        assert await notices.escalation.run() == 0
        await notices.run()
        assert chief.told == [("a", "firing")]
        [alert] = await notices.site.rows("select escalated, escalate_at - fired_at as after from alerts")
        assert (alert.escalated, alert.after) == (1, timedelta(minutes=9))
        await notices.site.acknowledge(alert_id)
        await notices.site.set(due)
        assert await notices.escalation.run() == 0
        await notices.site.resolve(alert_id)
        await notices.run()
    assert chief.told == receiver.told == [("a", "firing"), ("a", "resolved")]
    assert board.told == []
