"""Slack is told by its own API: one message a group, updated in place, or by an incoming webhook."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from json_servers import Answer, JsonReceiver, Sent, receive_json
from notice_data import content, told
from pydantic import SecretStr

from shared.domain.channel.notifications import AlertMessage, Message
from shared.domain.channel.service_channels import SlackChannel
from shared.domain.notice.notice_words import render_notice
from shared.domain.notice.notices import NoticeContent, NoticeKind
from shared.notifiers.base import Delivery
from shared.notifiers.posting import Poster
from shared.notifiers.slack import SlackNotifier
from shared.notifiers.slack_messages import COLOURS, MAX_SECTION, MAX_SECTIONS, RESOLVED, write_slack
from shared.transport.curl import CurlClient

ID = UUID("019aa3c5-8c00-7000-8000-000000000001")
TOKEN = "xoxb-123456789012-s3cret"
POST, UPDATE = "/api/chat.postMessage", "/api/chat.update"
FIRING = content(told(1))
OVER = content(told(1, "resolved"))


def as_slack(sent: Sent) -> Answer:
    """As chat.postMessage and chat.update answer; a message's moment is its id."""
    if sent.path == "/services/T0/B0/s3cret-key":
        return "200 OK", "ok"
    stamp = sent.body.get("ts", "1503435956.000247")
    return "200 OK", {"ok": True, "channel": "C0123456789", "ts": stamp, "message": {"type": "message"}}


def refusing(error: str, *, only: str | None = None) -> Any:
    """Slack's API refuses with 200, and says so in the body."""

    def answers(sent: Sent) -> Answer:
        return as_slack(sent) if only not in (None, sent.path) else ("200 OK", {"ok": False, "error": error})

    return answers


@pytest.fixture
def notifier(client: CurlClient) -> SlackNotifier:
    return SlackNotifier(Poster(client))


def channel_of(receiver: JsonReceiver, channel: str = "#ops") -> SlackChannel:
    return SlackChannel(kind="slack", token=SecretStr(TOKEN), channel=channel, api_url=receiver.server.url("/api"))


def notice(told_of: NoticeContent, receipt: dict[str, Any] | None = None) -> AlertMessage:
    return render_notice(told_of, receipt=receipt)


async def deliver(
    notifier: SlackNotifier, receiver: JsonReceiver, message: Message, *, channel: str = "#ops"
) -> Delivery:
    return await notifier.deliver(channel_of(receiver, channel), message, notification_id=ID)


async def test_a_groups_message_is_posted_then_updated_in_place(notifier: SlackNotifier) -> None:
    """The resolve turns it green, and says in the thread that it is over; the channel is not rung for that."""
    async with receive_json(as_slack) as slack:
        fired = await deliver(notifier, slack, notice(FIRING))
        assert fired.failure is None
        assert fired.receipt is not None
        resolved = await deliver(notifier, slack, notice(OVER, dict(fired.receipt)))
        assert resolved.failure is None
    first, update, reply = slack.sent
    assert (first.path, update.path, reply.path) == (POST, UPDATE, POST)
    assert {each.headers["authorization"] for each in slack.sent} == {f"Bearer {TOKEN}"}
    assert first.body["channel"] == "#ops"
    assert first.body["text"] == "*[FIRING 1] down: shop-1*"
    assert first.body["attachments"][0]["color"] == COLOURS["critical"]
    assert first.body["metadata"]["event_payload"] == {"id": str(ID)}
    place = {"channel": "C0123456789", "ts": "1503435956.000247"}
    assert {name: update.body[name] for name in place} == place
    assert update.body["attachments"][0]["color"] == RESOLVED
    assert reply.body == {
        "channel": "C0123456789",
        "thread_ts": "1503435956.000247",
        "text": "*[RESOLVED 1] down: shop-1*",
    }


async def test_what_fires_after_the_end_is_a_new_message(notifier: SlackNotifier) -> None:
    """Nobody would see that an old message changed."""
    async with receive_json(as_slack) as slack:
        fired = await deliver(notifier, slack, notice(FIRING))
        over = await deliver(notifier, slack, notice(OVER, dict(fired.receipt or {})))
        await deliver(notifier, slack, notice(FIRING, dict(over.receipt or {})))
    assert [each.path for each in slack.sent] == [POST, UPDATE, POST, POST]
    assert "thread_ts" not in slack.sent[-1].body


@pytest.mark.parametrize(
    ("told_of", "is_loud"),
    [
        (content(told(1), told(2)), True),
        (replace(content(replace(told(1), is_news=False)), kind=NoticeKind.REMINDER), True),
        (content(replace(told(1), is_news=False), told(2, "resolved")), False),
    ],
    ids=["fires newly", "reminder", "one of two is over"],
)
async def test_the_channel_sees_in_a_thread_what_fires(
    notifier: SlackNotifier, told_of: NoticeContent, *, is_loud: bool
) -> None:
    """An update alerts nobody."""
    async with receive_json(as_slack) as slack:
        fired = await deliver(notifier, slack, notice(FIRING))
        await deliver(notifier, slack, notice(told_of, dict(fired.receipt or {})))
    assert slack.sent[-1].body.get("reply_broadcast", False) is is_loud


@pytest.mark.parametrize("error", ["message_not_found", "cant_update_message", "edit_window_closed"])
async def test_a_message_that_is_gone_is_sent_anew(notifier: SlackNotifier, error: str) -> None:
    """Somebody deleted it, or it may not be changed any more."""
    async with receive_json(refusing(error, only=UPDATE)) as slack:
        receipt = {"channel": "C0123456789", "ts": "1.2", "for": "#ops", "is_over": False}
        delivery = await deliver(notifier, slack, notice(OVER, receipt))
    assert delivery.failure is None
    assert [each.path for each in slack.sent] == [UPDATE, POST]
    assert slack.sent[-1].body["channel"] == "#ops"


async def test_a_channel_that_leads_elsewhere_begins_anew(notifier: SlackNotifier) -> None:
    """The receipt is of the channel that it was given for."""
    async with receive_json(as_slack) as slack:
        fired = await deliver(notifier, slack, notice(FIRING))
        await deliver(notifier, slack, notice(OVER, dict(fired.receipt or {})), channel="#other")
    assert [(each.path, each.body["channel"]) for each in slack.sent] == [(POST, "#ops"), (POST, "#other")]


@pytest.mark.parametrize(
    ("error", "is_permanent"),
    [("channel_not_found", True), ("invalid_auth", True), ("ratelimited", False), ("internal_error", False)],
)
async def test_a_refusal_says_what_slack_said(notifier: SlackNotifier, error: str, *, is_permanent: bool) -> None:
    """Whether trying again can help depends on the error, since the status is 200 all the same."""
    async with receive_json(refusing(error)) as slack:
        delivery = await deliver(notifier, slack, notice(FIRING))
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.is_permanent) == ("refused", is_permanent)
    assert error in delivery.failure.message
    assert delivery.receipt is None


async def test_a_rate_limit_is_waited_for(notifier: SlackNotifier) -> None:
    """Slack answers it by a status, with the seconds to wait."""
    limited = ("429 Too Many Requests", {"ok": False, "error": "ratelimited"}, {"Retry-After": "30"})
    async with receive_json(lambda _: limited) as slack:
        delivery = await deliver(notifier, slack, notice(FIRING))
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.retry_after) == ("throttled", timedelta(seconds=30))


async def test_what_is_not_slack_delivers_nothing(notifier: SlackNotifier) -> None:
    """A captive portal answers 200 to everybody."""
    async with receive_json(lambda _: ("200 OK", "<html>welcome</html>")) as portal:
        delivery = await deliver(notifier, portal, Message(title="hello"))
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.is_permanent) == ("unavailable", False)


async def test_an_incoming_webhook_gets_a_message_each_time(notifier: SlackNotifier) -> None:
    """It cannot be updated; what comes back is kept without the address, which is the key."""
    said = "no_service /services/T0/B0/s3cret-key"
    for answers, failed in ((as_slack, None), (lambda _: ("404 Not Found", said), "rejected")):
        async with receive_json(answers) as slack:
            url = SecretStr(slack.server.url("/services/T0/B0/s3cret-key"))
            channel = SlackChannel(kind="slack", webhook_url=url)
            receipt = {"channel": "C0123456789", "ts": "1.2"}
            delivery = await notifier.deliver(channel, notice(FIRING, receipt), notification_id=ID)
        assert (delivery.failure and delivery.failure.code) == failed
        assert delivery.receipt is None
        assert set(slack.sent[0].body) == {"text", "attachments"}
        assert "s3cret" not in str(delivery)


def test_others_words_are_no_markup() -> None:
    """A mention of everybody in a label would ring them all."""
    written = write_slack(Message(title="<!channel> & more", text="<!here>\n<http://evil|good>"))
    assert written["text"] == "*&lt;!channel&gt; &amp; more*"
    assert written["attachments"][0]["blocks"][0]["text"]["text"] == "&lt;!here&gt;\n&lt;http://evil|good&gt;"


@pytest.mark.parametrize("text", ["&" * 20_000, "word\n" * 4_000, "", "\n\n"], ids=["line", "lines", "empty", "blank"])
def test_no_block_is_longer_than_slack_takes(text: str) -> None:
    """What is too much is left out, and no escape is cut in half."""
    written = write_slack(Message(title="t", text=text))
    blocks = [block["text"]["text"] for each in written.get("attachments", []) for block in each["blocks"]]
    assert len(blocks) <= MAX_SECTIONS + 1
    assert all(0 < len(block) <= MAX_SECTION for block in blocks)
    assert all("&" not in block.replace("&amp;", "") for block in blocks)
