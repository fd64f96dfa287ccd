"""The `email` notifier: SMTP to a checked address, TLS verified against the server's name."""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import aiosmtplib

from shared.clock import Clock, utc_now
from shared.domain.channel.notifications import EmailChannel, Message
from shared.domain.job.jobs import Failure
from shared.domain.target.egress import EgressPolicy
from shared.domain.target.observation import Fault
from shared.notifiers.base import Delivery
from shared.notifiers.mail import MailServer, compose, parse_recipient, parse_smtp_url
from shared.notifiers.mail_failures import classify_error, classify_refusals
from shared.transport.dialling import Dialler
from shared.transport.trust import find_ca_file

TIMEOUT_SECONDS = 30.0
"""For a whole delivery; servers that greylist or look names up take their time."""
_GOODBYE_SECONDS = 2.0

_OPERATORS_OWN = EgressPolicy.parse("any", allow_loopback=True)


class EmailNotifier:
    """Hands mail in at the channel's server, which is under the egress policy, or at the operator's own.

    The operator's own, `smtp_url`, stands in the worker's settings as the egress policy does, and may be anywhere.
    """

    def __init__(
        self,
        dialler: Dialler,
        *,
        mail_from: str,
        smtp_url: str | None = None,
        ca_file: str | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._dialler = dialler
        self._own_dialler = dialler.with_policy(_OPERATORS_OWN)
        self._mail_from = mail_from
        self._smtp_url = smtp_url
        self._clock = clock
        self._tls = ssl.create_default_context(cafile=ca_file or find_ca_file())
        self._local_name = _local_name()

    async def deliver(self, channel: EmailChannel, message: Message, *, notification_id: UUID) -> Delivery:
        """Hand the message in once; delivered means that the server took it for at least one recipient for good."""
        url = channel.smtp_url.get_secret_value() if channel.smtp_url is not None else self._smtp_url
        if url is None:
            said = "no mail server is set; set TOCSIN_SMTP_URL or the channel's smtp_url"
            return Delivery({}, Failure("not_configured", said, is_permanent=True))
        try:
            server = parse_smtp_url(url)
            recipients = [parse_recipient(address) for address in channel.to]
        except ValueError as error:
            return Delivery({}, Failure("invalid_channel", str(error), is_permanent=True))
        email = compose(
            message,
            sender=self._mail_from,
            recipients=recipients,
            notification_id=notification_id,
            now=self._clock(),
        )
        dialler = self._own_dialler if channel.smtp_url is None else self._dialler
        return await self._hand_in(email, server, recipients=recipients, dialler=dialler)

    async def close(self) -> None:
        """Nothing is kept open between two messages."""

    async def _hand_in(
        self, email: EmailMessage, server: MailServer, *, recipients: list[Address], dialler: Dialler
    ) -> Delivery:
        started = time.perf_counter()
        detail: dict[str, Any] = {"server": f"{server.host}:{server.port}"}
        failure: Failure | None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                refused = await self._converse(email, server, recipients=recipients, dialler=dialler)
        except TimeoutError:
            # aiosmtplib's own timeouts are TimeoutError as well.
            failure = Failure("timeout", f"{server.host} did not take the message in time")
        except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
            failure, said = classify_error(error, server)
            detail |= said
        else:
            failure, said = classify_refusals(refused, count=len(recipients))
            detail |= said
        return Delivery({**detail, "duration_ms": round((time.perf_counter() - started) * 1000, 3)}, failure)

    async def _converse(
        self, email: EmailMessage, server: MailServer, *, recipients: list[Address], dialler: Dialler
    ) -> Mapping[str, aiosmtplib.SMTPResponse] | Fault:
        """Dial, greet, log in, hand in; gives who was refused, or the fault of the dial. The client owns the socket."""
        connection = await dialler.connect(server.host, server.port, timeout_seconds=TIMEOUT_SECONDS / 2)
        if isinstance(connection, Fault):
            return connection
        client = self._client(server, connection)
        try:
            await client.connect()
            refused, _ = await client.send_message(email, recipients=[each.addr_spec for each in recipients])
            with suppress(aiosmtplib.SMTPException):
                # The message is taken; a server that says no goodbye changes nothing.
                await client.quit(timeout=_GOODBYE_SECONDS)
        finally:
            client.close()
        return refused

    def _client(self, server: MailServer, connection: socket.socket) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=server.host,
            sock=connection,
            username=server.user,
            password=server.password,
            local_hostname=self._local_name,
            timeout=TIMEOUT_SECONDS,
            use_tls=server.scheme == "smtps",
            start_tls=server.scheme == "smtp+starttls",
            tls_context=self._tls if server.is_secure else None,
        )


def _local_name() -> str:
    """This machine's name for EHLO, without asking DNS; the address literal stands in for an odd one (RFC 5321)."""
    name = socket.gethostname()
    is_plain = name.isascii() and name.replace("-", "").replace(".", "").isalnum()
    return name if is_plain else "[127.0.0.1]"
