"""An e-mail as text and HTML, and the mail server's address; nothing in a message can add a header to it."""

from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256
from html import escape
from urllib.parse import unquote, urlsplit
from uuid import UUID

from shared.domain.channel.notifications import AlertMessage, Message
from shared.transport.urls import ascii_host

DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. `scheme` is `smtp` (no TLS at all), `smtp+starttls` (TLS or nothing) or `smtps`."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def is_secure(self) -> bool:
        """Whether the server's certificate is verified."""
        return self.scheme != "smtp"


def parse_smtp_url(url: str) -> MailServer:
    """Read `smtps://user:password@host:port`.

    Raises:
        ValueError: it is written otherwise; the sentence holds nothing of it.
    """
    error = ValueError("the mail server is not written as smtp://, smtp+starttls:// or smtps://user:password@host:port")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = ascii_host(parts.hostname or "")
    except ValueError:
        raise error from None
    if parts.scheme not in DEFAULT_PORTS or parts.path.strip("/") or port == 0:
        raise error
    return MailServer(
        scheme=parts.scheme,
        host=host,
        port=port or DEFAULT_PORTS[parts.scheme],
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def parse_recipient(text: str) -> Address:
    """Read an address; a domain beyond ASCII is written in IDNA.

    Raises:
        ValueError: it is none.
    """
    local, _, domain = text.rpartition("@")
    try:
        return Address(username=local, domain=ascii_host(domain))
    except (ValueError, IndexError) as error:
        raise ValueError(f'"{text[:80]}" is no e-mail address') from error


def compose(
    message: Message, *, sender: str, recipients: list[Address], notification_id: UUID, now: datetime
) -> EmailMessage:
    """The e-mail; its `Message-ID` is the same over all tries, so that a mailbox can drop a repeat."""
    email = EmailMessage(policy=SMTP)
    email["Subject"] = single_line(message.title)
    email["From"] = sender
    email["To"] = recipients
    email["Date"] = now
    domain = sender.rpartition("@")[2].strip("> ")
    email["Message-ID"] = f"<{notification_id}@{domain}>"
    if isinstance(message, AlertMessage):
        # All notices of a group name one message that never was, so that mailboxes show them as one conversation.
        root = f"<{sha256(message.content.group_key.encode()).hexdigest()[:32]}@{domain}>"
        email["In-Reply-To"] = root
        email["References"] = root
    email["Auto-Submitted"] = "auto-generated"
    email.set_content(message.text or message.title, cte="quoted-printable")
    email.add_alternative(write_html(message), subtype="html", cte="quoted-printable")
    return email


def single_line(text: str) -> str:
    """The text with every control character and line break as a space.

    `=?` begins an encoded word, in which the standard library would unpack a line break (RFC 2047); it is taken apart.
    """
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.replace("=?", "= ?").split()) or "-"


def write_html(message: Message) -> str:
    """The message as a small page without anything loaded from elsewhere."""
    if isinstance(message, AlertMessage) and message.html is not None:
        return message.html
    return (
        '<!doctype html><html><head><meta charset="utf-8"></head><body style="font-family:sans-serif">'
        f'<h2 style="font-size:18px">{escape(message.title)}</h2>'
        f'<div style="white-space:pre-wrap">{escape(message.text)}</div></body></html>'
    )
