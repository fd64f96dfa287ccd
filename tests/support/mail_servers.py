"""A real SMTP server for tests, on loopback and a free port, that keeps what it takes and refuses what it is told."""

import asyncio
import email
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Mailbox:
    """What the server took, and how it answers: `refusals` by recipient, `answer` to the whole message."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    was_tls: list[bool] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    answer: str = "250 taken"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name.
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 go on"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answer.startswith("2"):
            content = envelope.content
            assert isinstance(content, bytes)
            message = email.message_from_bytes(content, policy=default)
            assert isinstance(message, EmailMessage)
            self.taken.append(message)
            self.recipients.append(list(envelope.rcpt_tos))
            self.was_tls.append(server.transport.get_extra_info("sslcontext") is not None)
        return self.answer

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == b"p@ss:word", handled=False)


@asynccontextmanager
async def serve_mail(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, asks_login: bool = False
) -> AsyncIterator[Mailbox]:
    """Listen while the block runs."""
    mailbox = Mailbox()
    connections: list[SMTP] = []

    def connect() -> SMTP:
        with warnings.catch_warnings():
            # The library warns of servers that ask for passwords without TLS; nobody but a test talks to this one.
            warnings.simplefilter("ignore")
            connection = SMTP(
                mailbox,
                hostname="mail.test",
                tls_context=starttls,
                require_starttls=starttls is not None,
                authenticator=mailbox.authenticate,
                auth_required=asks_login,
                auth_require_tls=False,
                enable_SMTPUTF8=True,
            )
        connections.append(connection)
        return connection

    listener = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0, ssl=tls)
    mailbox.port = listener.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        listener.close()
        for connection in connections:
            # Up to Python 3.11.4 a TLS transport that is closed already fails here with an AttributeError.
            with suppress(AttributeError):
                connection.transport.abort()
        await listener.wait_closed()
