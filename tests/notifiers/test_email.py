"""E-mail arrives as text and HTML over the TLS that was asked for, and refusals are told one by one."""

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
import trustme
from http_servers import serve_raw
from mail_servers import serve_mail
from pydantic import SecretStr

from shared.domain.channel.notifications import EmailChannel, Message
from shared.domain.target.egress import EgressPolicy
from shared.notifiers import email as email_module
from shared.notifiers.email import EmailNotifier
from shared.notifiers.mail import parse_smtp_url
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolver

Tls = Callable[..., ssl.SSLContext]
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ID = UUID("019aa3c5-8c00-7000-8000-000000000001")
MESSAGE = Message(title="shop <is> down", text="grün & 2 lines\n.\nend")


def channel(url: str | None, *to: str) -> EmailChannel:
    return EmailChannel(
        kind="email", to=list(to or ("ops@example.com",)), smtp_url=None if url is None else SecretStr(url)
    )


@pytest.fixture
def notifier(resolver: Resolver, loopback: EgressPolicy, ca_file: str) -> EmailNotifier:
    return EmailNotifier(
        Dialler(resolver, loopback), mail_from="Tocsin <bell@tocsin.example>", ca_file=ca_file, clock=lambda: NOW
    )


async def test_a_message_arrives_as_text_and_html(notifier: EmailNotifier) -> None:
    """With what is in it, and nothing of it read as HTML."""
    async with serve_mail() as mailbox:
        to = ["ops@example.com", "dev@bücher.example"]
        delivery = await notifier.deliver(channel(f"smtp://127.0.0.1:{mailbox.port}", *to), MESSAGE, notification_id=ID)
    assert delivery.failure is None, delivery
    (email,) = mailbox.taken
    assert email["subject"] == "shop <is> down"
    assert email["from"] == "Tocsin <bell@tocsin.example>"
    assert email["to"] == "ops@example.com, dev@xn--bcher-kva.example"
    assert email["message-id"] == f"<{ID}@tocsin.example>"
    assert email["date"].datetime == NOW
    assert email["auto-submitted"] == "auto-generated"
    text, html = email.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text.get_content().splitlines() == ["grün & 2 lines", ".", "end"]
    assert "grün &amp; 2 lines" in html.get_content()
    assert "shop &lt;is&gt; down" in html.get_content()
    assert mailbox.recipients == [["ops@example.com", "dev@xn--bcher-kva.example"]]
    assert delivery.detail["server"] == f"127.0.0.1:{mailbox.port}"


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
async def test_tls_is_verified_by_name_and_logged_in_through(notifier: EmailNotifier, tls: Tls, scheme: str) -> None:
    """By STARTTLS and from the first byte; the password may hold what an address may not."""
    context = tls("localhost")
    by = {"starttls": context} if scheme == "smtp+starttls" else {"tls": context}
    async with serve_mail(**by, asks_login=True) as mailbox:
        url = f"{scheme}://ops%40example.com:p%40ss%3Aword@localhost:{mailbox.port}"
        delivery = await notifier.deliver(channel(url), MESSAGE, notification_id=ID)
    assert delivery.failure is None, delivery
    assert mailbox.was_tls == [True]
    assert mailbox.logins[-1] == ("ops@example.com", "p@ss:word")


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
async def test_a_bad_certificate_gets_neither_password_nor_message(
    notifier: EmailNotifier, tls: Tls, scheme: str
) -> None:
    """A foreign authority is refused before anything is said, and tried again, since certificates are renewed."""
    context = tls("localhost", by=trustme.CA())
    by = {"starttls": context} if scheme == "smtp+starttls" else {"tls": context}
    async with serve_mail(**by, asks_login=True) as mailbox:
        url = f"{scheme}://u:p%40ss%3Aword@localhost:{mailbox.port}"
        delivery = await notifier.deliver(channel(url), MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.is_permanent) == ("tls_invalid", False)
    assert (mailbox.taken, mailbox.logins) == ([], [])


async def test_starttls_is_not_given_up_when_the_server_has_none(notifier: EmailNotifier) -> None:
    """Somebody between us could have taken it out of the greeting."""
    async with serve_mail() as mailbox:
        url = f"smtp+starttls://u:secret@127.0.0.1:{mailbox.port}"
        delivery = await notifier.deliver(channel(url), MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert not delivery.failure.is_permanent
    assert (mailbox.taken, mailbox.logins) == ([], [])


async def test_a_refused_login_is_permanent_and_tells_no_password(notifier: EmailNotifier) -> None:
    """Trying again cannot help, and hammering locks accounts."""
    async with serve_mail(asks_login=True) as mailbox:
        url = f"smtp://user:WRONG@127.0.0.1:{mailbox.port}"
        delivery = await notifier.deliver(channel(url), MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.is_permanent) == ("login_refused", True)
    assert "WRONG" not in repr(delivery)


@pytest.mark.parametrize(
    ("refusals", "code", "is_permanent", "arrives"),
    [
        ({"a@x.example": "550 no such user"}, None, False, True),
        ({"a@x.example": "450 greylisted"}, "recipients_deferred", False, True),
        ({"a@x.example": "550 no", "b@x.example": "551 no"}, "recipients_refused", True, False),
        ({"a@x.example": "550 no", "b@x.example": "452 full"}, "recipients_deferred", False, False),
    ],
    ids=["one-for-good", "one-for-now", "all-for-good", "all-one-for-now"],
)
async def test_refusals_are_told_by_recipient(
    notifier: EmailNotifier, refusals: dict[str, str], code: str | None, *, is_permanent: bool, arrives: bool
) -> None:
    """Those refused for now are tried again; those refused for good do not spoil it for the others."""
    async with serve_mail() as mailbox:
        mailbox.refusals = refusals
        url = f"smtp://127.0.0.1:{mailbox.port}"
        delivery = await notifier.deliver(channel(url, "a@x.example", "b@x.example"), MESSAGE, notification_id=ID)
    assert (delivery.failure and delivery.failure.code) == code
    assert bool(delivery.failure and delivery.failure.is_permanent) == is_permanent
    assert delivery.detail["refused"] == refusals
    assert bool(mailbox.taken) == arrives


@pytest.mark.parametrize(("answer", "is_permanent"), [("451 later", False), ("554 spam", True)])
async def test_a_refused_message_is_tried_again_when_the_server_says_later(
    notifier: EmailNotifier, answer: str, *, is_permanent: bool
) -> None:
    """4xx may pass, 5xx stays."""
    async with serve_mail() as mailbox:
        mailbox.answer = answer
        delivery = await notifier.deliver(channel(f"smtp://127.0.0.1:{mailbox.port}"), MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.is_permanent) == ("refused", is_permanent)
    assert answer in delivery.failure.message
    assert delivery.detail["status"] == int(answer[:3])


@pytest.mark.parametrize(
    "title", ["a\r\nBcc: evil@example.com", "a\nX: y", "a\u2028b", "\0\r\n", "=?utf-8?q?a=0D=0ABcc:_x?=", "é" * 300]
)
async def test_a_title_cannot_add_a_header(notifier: EmailNotifier, title: str) -> None:
    """It stays one line of the subject."""
    async with serve_mail() as mailbox:
        message = Message(title=title, text="x")
        delivery = await notifier.deliver(channel(f"smtp://127.0.0.1:{mailbox.port}"), message, notification_id=ID)
    assert delivery.failure is None, delivery
    (email,) = mailbox.taken
    assert {name.lower() for name in email.keys()} == {  # noqa: SIM118 - a message is no dictionary.
        "subject", "from", "to", "date", "message-id", "auto-submitted", "mime-version", "content-type",
    }  # fmt: skip
    assert mailbox.recipients == [["ops@example.com"]]


@pytest.mark.parametrize(
    "url",
    ["http://x", "smtp://", "smtp://x:99999", "smtp://x:0", "smtps://user:SECRET@", "mail.example", "smtp://x/SECRET"],
)
async def test_a_mail_server_written_wrongly_is_a_permanent_failure(notifier: EmailNotifier, url: str) -> None:
    """It says how to write it and nothing of what was written."""
    delivery = await notifier.deliver(channel(url), MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.is_permanent) == ("invalid_channel", True)
    assert "SECRET" not in delivery.failure.message
    assert "smtps://" in delivery.failure.message


async def test_no_mail_server_at_all_names_the_setting(notifier: EmailNotifier) -> None:
    """What to do is said."""
    delivery = await notifier.deliver(channel(None), MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert delivery.failure.is_permanent
    assert "TOCSIN_SMTP_URL" in delivery.failure.message


async def test_the_operators_own_server_may_be_anywhere_and_a_channels_may_not(resolver: Resolver) -> None:
    """A relay on loopback is the operator's usual one; a user aims at it in vain."""
    async with serve_mail() as mailbox:
        url = f"smtp://127.0.0.1:{mailbox.port}"
        notifier = EmailNotifier(
            Dialler(resolver, EgressPolicy.parse("public", setting="TOCSIN_WEBHOOK_EGRESS")),
            mail_from="bell@tocsin.example",
            smtp_url=url,
        )
        own = await notifier.deliver(channel(None), MESSAGE, notification_id=ID)
        users = await notifier.deliver(channel(url), MESSAGE, notification_id=ID)
    assert own.failure is None
    assert users.failure is not None
    assert (users.failure.code, users.failure.is_permanent) == ("blocked_by_policy", True)
    assert len(mailbox.taken) == 1


async def test_a_server_that_hangs_is_tried_again(notifier: EmailNotifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never greets."""

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(email_module, "TIMEOUT_SECONDS", 0.3)
    async with serve_raw(silent) as port:
        delivery = await notifier.deliver(channel(f"smtp://127.0.0.1:{port}"), MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.is_permanent) == ("timeout", False)


@pytest.mark.parametrize("greeting", [b"", b"\xff\xfe\x00 garbage\r\n", b"554 go away\r\n", b"421 later\r\n"])
async def test_a_server_that_talks_nonsense_or_goes_is_a_failure(notifier: EmailNotifier, greeting: bytes) -> None:
    """And never an exception."""

    async def say(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()

    async with serve_raw(say) as port:
        delivery = await notifier.deliver(channel(f"smtp://127.0.0.1:{port}"), MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert delivery.failure.is_permanent == greeting.startswith(b"5")


@pytest.mark.parametrize(
    ("url", "port", "is_secure"),
    [("smtp://mail", 25, False), ("smtp+starttls://mail", 587, True), ("smtps://mail", 465, True)],
)
def test_each_scheme_has_its_port(url: str, port: int, *, is_secure: bool) -> None:
    """As RFC 8314 and custom have it."""
    server = parse_smtp_url(url)
    assert (server.port, server.is_secure) == (port, is_secure)


def test_a_mail_servers_password_is_not_shown() -> None:
    """Not even where the value is printed."""
    assert "SECRET" not in repr(parse_smtp_url("smtps://user:SECRET@mail.example"))
