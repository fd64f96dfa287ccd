"""PagerDuty is told each alert that is news, by its Events API v2."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from json_servers import Answer, JsonReceiver, Sent, receive_json
from notice_data import content, told
from pydantic import SecretStr

from shared.domain.channel.notifications import Message
from shared.domain.channel.service_channels import PagerDutyChannel
from shared.domain.notice.notice_words import render_notice
from shared.domain.notice.notices import NoticeContent, NoticeKind
from shared.notifiers.base import Delivery
from shared.notifiers.pagerduty import PagerDutyNotifier
from shared.notifiers.pagerduty_events import events_of
from shared.notifiers.posting import Poster
from shared.transport.curl import CurlClient

ID = UUID("019aa3c5-8c00-7000-8000-000000000001")
KEY = "R0123456789ABCDEF0123456789ABCDE"
OURS = "https://tocsin.example"
ENQUEUE = "/v2/enqueue"


def as_pagerduty(sent: Sent) -> Answer:
    return "202 Accepted", {"status": "success", "message": "Event processed", "dedup_key": sent.body["dedup_key"]}


@pytest.fixture
def notifier(client: CurlClient) -> PagerDutyNotifier:
    return PagerDutyNotifier(Poster(client))


async def deliver(notifier: PagerDutyNotifier, receiver: JsonReceiver, message: Message) -> Delivery:
    channel = PagerDutyChannel(kind="pagerduty", routing_key=SecretStr(KEY), url=receiver.server.url("").rstrip("/"))
    return await notifier.deliver(channel, message, notification_id=ID)


def actions(of: NoticeContent) -> list[tuple[str, str]]:
    """What a notice sends of each alert, by the last digit of its id."""
    events = [event for each in events_of(render_notice(of), notification_id=ID) for event in each]
    return [(event["event_action"], event["dedup_key"][-1]) for event in events]


async def test_each_alert_is_an_incident(notifier: PagerDutyNotifier) -> None:
    """Known by the alert's id; the one that is over ends that of its firing."""
    firing = replace(told(1), annotations={"summary": "shop is slow", "runbook_url": "https://wiki.example/slow"})
    async with receive_json(as_pagerduty) as pagerduty:
        message = render_notice(content(firing, told(2, "resolved")), external_url=OURS)
        delivery = await deliver(notifier, pagerduty, message)
    assert delivery.failure is None
    assert (delivery.detail["status"], delivery.detail["events"]) == (202, 2)
    trigger, resolve = sorted(pagerduty.bodies(ENQUEUE), key=lambda event: event["dedup_key"])
    assert resolve == {"routing_key": KEY, "event_action": "resolve", "dedup_key": str(UUID(int=2))}
    payload = trigger.pop("payload")
    assert trigger == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": str(UUID(int=1)),
        "client": "Tocsin",
        "client_url": OURS,
        "links": [
            {"href": f"{OURS}/api/v1/alerts/{UUID(int=1)}/explain", "text": "Why this fires"},
            {"href": "https://wiki.example/slow", "text": "Runbook"},
        ],
    }
    details = payload.pop("custom_details")
    assert details["labels"]["monitor"] == "shop-1"
    assert payload == {
        "summary": "shop is slow",
        "source": "shop-1",
        "severity": "critical",
        "timestamp": "2026-03-01T12:00:00Z",
        "class": "down",
        "group": "web",
    }


OLD = replace(told(1), is_news=False)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (content(OLD, told(2)), [("trigger", "2")]),
        (content(OLD, replace(told(2, "resolved"), is_news=False)), []),
        (replace(content(OLD), kind=NoticeKind.REMINDER), [("trigger", "1")]),
        (content(replace(told(1), acknowledged_by="ada")), [("trigger", "1"), ("acknowledge", "1")]),
        (replace(content(), kind=NoticeKind.TEST), [("trigger", "1"), ("resolve", "1")]),
    ],
    ids=["news only", "nothing new", "reminder", "acknowledged", "test"],
)
def test_what_is_sent_of_an_alert(of: NoticeContent, expected: list[tuple[str, str]]) -> None:
    """What PagerDuty knows already is not sent again, but in a reminder."""
    assert actions(of) == expected


async def test_a_notice_without_news_sends_nothing(notifier: PagerDutyNotifier) -> None:
    """It counts as delivered."""
    async with receive_json(as_pagerduty) as pagerduty:
        delivery = await deliver(notifier, pagerduty, render_notice(content(OLD)))
    assert (delivery.failure, delivery.detail["events"], pagerduty.sent) == (None, 0, [])


async def test_a_message_is_an_incident_of_its_own(notifier: PagerDutyNotifier) -> None:
    """Under the job's id, so that a repeat opens no second one."""
    async with receive_json(as_pagerduty) as pagerduty:
        await deliver(notifier, pagerduty, Message(title="x" * 300, text="more"))
    [event] = pagerduty.bodies(ENQUEUE)
    assert (event["event_action"], event["dedup_key"]) == ("trigger", str(ID))
    assert event["payload"] == {
        "summary": "x" * 300,
        "source": "Tocsin",
        "severity": "info",
        "custom_details": {"text": "more"},
    }


@pytest.mark.parametrize(
    ("status", "body", "code", "is_permanent"),
    [
        ("400 Bad Request", {"status": "invalid event", "message": "Event object is invalid"}, "rejected", True),
        ("429 Too Many Requests", {"status": "throttle exceeded"}, "throttled", False),
        ("503 Service Unavailable", "", "unavailable", False),
    ],
)
async def test_one_event_that_fails_fails_the_notice(
    notifier: PagerDutyNotifier, status: str, body: Any, code: str, *, is_permanent: bool
) -> None:
    """The others are sent all the same, and sent again they change nothing."""

    def answers(sent: Sent) -> Answer:
        is_bad = sent.body["dedup_key"] == str(UUID(int=2))
        return (status, body, {"Retry-After": "7"}) if is_bad else as_pagerduty(sent)

    async with receive_json(answers) as pagerduty:
        delivery = await deliver(notifier, pagerduty, render_notice(content(*map(told, range(1, 13)))))
        assert len(pagerduty.sent) == 12
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.is_permanent) == (code, is_permanent)
    assert delivery.failure.retry_after == (None if is_permanent else timedelta(seconds=7))
    assert (delivery.detail["events"], delivery.detail["events_failed"]) == (12, 1)


async def test_what_may_pass_goes_before_what_stays(notifier: PagerDutyNotifier) -> None:
    """A notice with an event that can still be told is not given up for one that cannot."""

    def answers(sent: Sent) -> Answer:
        return ("400 Bad Request", "") if sent.body["dedup_key"] == str(UUID(int=1)) else ("503 Later", "")

    async with receive_json(answers) as pagerduty:
        delivery = await deliver(notifier, pagerduty, render_notice(content(told(1), told(2))))
    assert delivery.failure is not None
    assert not delivery.failure.is_permanent


async def test_the_key_that_comes_back_is_not_kept(notifier: PagerDutyNotifier) -> None:
    """An answer may repeat what it was sent."""
    async with receive_json(lambda sent: ("400 Bad Request", sent.body)) as pagerduty:
        delivery = await deliver(notifier, pagerduty, Message(title="hello"))
    assert KEY not in str(delivery)
    assert "***" in delivery.detail["answer"]
