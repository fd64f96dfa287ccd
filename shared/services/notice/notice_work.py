"""The work of a notice's job: compose it with the first try, then deliver what was frozen, without a transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from pydantic import ValidationError

from shared.clock import Clock
from shared.domain.alert.alerts import AlertState
from shared.domain.job.attempts import Worked
from shared.domain.job.jobs import Failure
from shared.domain.job.leases import ClaimedJob
from shared.domain.notice.notice_words import render_notice
from shared.domain.notice.notices import NoticeContent, NoticeKind
from shared.notifiers.base import Delivery, Notifier
from shared.services.channel.channel_configs import LoadedChannel, load_channel
from shared.services.channel.channel_health import ChannelHealth
from shared.services.job.announcer import Announcer
from shared.services.notice.composition import Composition, ReadyNotice
from shared.storage.database import Database
from shared.storage.errors import StorageUnavailableError
from shared.storage.notice.group_store import GroupStore
from shared.storage.notice.notice_store import Notice, NoticeStore
from shared.telemetry import SpanKind, span
from shared.telemetry.notice_metrics import note_delivered
from shared.vault import NoSecretKeyError, UnreadableSecretError, Vault

_log = structlog.get_logger()

HASTENED_AT_ONCE = 1_000
"""How many notices that wait for their next try are tried at once when their channel is back."""
PUT_OFF = timedelta(seconds=15)
"""After which a notice that somebody ran anew asks again whether another one of its group is on its way."""


@dataclass(frozen=True, slots=True)
class NoticeTelling:
    """What notices are told by: notifiers by kind, the channels' secrets and health, and this site's own address."""

    notifiers: Mapping[str, Notifier[Any]]
    vault: Vault
    health: ChannelHealth
    external_url: str | None = None


class NoticeWork:
    """Tells one notice. Each try says the same under the same id, by the channel as it is then."""

    def __init__(self, database: Database, announcer: Announcer, telling: NoticeTelling, *, clock: Clock) -> None:
        self._database = database
        self._announcer = announcer
        self._telling = telling
        self._clock = clock

    async def tell(self, claimed: ClaimedJob, notice_id: UUID) -> Worked:
        """Compose the notice if it was not before, and try once to deliver it."""
        async with self._database.writing() as work:
            ready = await Composition(work).prepare(notice_id, job_id=claimed.job_id)
        if ready is None:
            return _refused("notice_unknown", "there is no such notice any more")
        self._announcer.announce([], ready.rings)
        if ready.is_put_off:
            return Worked(snooze=PUT_OFF)
        if ready.content is None:
            return Worked(result={"told": 0})
        channel = await self._load(ready.notice.channel_id)
        if isinstance(channel, Worked):
            return channel
        return await self._try(claimed, channel, ready, ready.content)

    async def _load(self, channel_id: UUID) -> LoadedChannel | Worked:
        """The channel with its secrets, read for each try: what was mended heals the notices that wait."""
        try:
            async with self._database.one_statement() as work:
                channel = await load_channel(work, channel_id, self._telling.vault)
        except (NoSecretKeyError, UnreadableSecretError) as error:
            return Worked(failure=Failure("secret_unreadable", str(error)))
        except ValidationError:
            return Worked(failure=Failure("unreadable_channel", "this worker cannot read the channel"))
        return channel or _refused("channel_gone", "the channel was deleted")

    async def _try(
        self, claimed: ClaimedJob, channel: LoadedChannel, ready: ReadyNotice, content: NoticeContent
    ) -> Worked:
        notice = ready.notice
        if channel.disabled_at is not None and not _must_be_tried(notice, content):
            return _refused("channel_disabled", "the channel is disabled; enable it, then redeliver the notice")
        if notice.kind is not NoticeKind.TEST:
            wait = await self._telling.health.ask(
                channel.channel_id, failures=channel.failures, snoozes=claimed.snoozes
            )
            if wait is not None:
                return Worked(snooze=wait)
        delivery = await self._deliver(channel, ready, content, notification_id=claimed.notification_id)
        await self._note(notice, content, delivery)
        result = {"delivered": True, "told": len(content.alerts)}
        return Worked(
            result=result if delivery.failure is None else None, failure=delivery.failure, detail=delivery.detail
        )

    async def _deliver(
        self, channel: LoadedChannel, ready: ReadyNotice, content: NoticeContent, *, notification_id: UUID
    ) -> Delivery:
        kind = channel.channel.kind
        message = render_notice(
            content,
            templates=channel.options.templates,
            external_url=self._telling.external_url,
            receipt=ready.receipt,
        )
        with span(f"notify {kind}", SpanKind.CLIENT) as told:
            delivery = await self._telling.notifiers[kind].deliver(
                channel.channel, message, notification_id=notification_id
            )
            if delivery.failure is not None:
                told.fail(delivery.failure.code)
        if message.template_failed is not None:
            return replace(delivery, detail={**delivery.detail, "template_failed": message.template_failed})
        return delivery

    async def _note(self, notice: Notice, content: NoticeContent, delivery: Delivery) -> None:
        """Write down how it went. Without a database that is left out: the notice must not be sent again for it."""
        if delivery.failure is None:
            note_delivered(content, now=self._clock())
        try:
            noted = await self._telling.health.note(notice.channel_id, delivery)
            if delivery.receipt is not None and notice.group_id is not None:
                async with self._database.one_statement() as work:
                    await GroupStore(work).keep_receipt(notice.group_id, delivery.receipt)
            if noted.is_healed:
                async with self._database.one_statement() as work:
                    await NoticeStore(work).hasten(notice.channel_id, limit=HASTENED_AT_ONCE)
        except StorageUnavailableError as error:
            _log.warning("delivery_not_noted", notice_id=str(notice.notice_id), error=repr(error))


def _must_be_tried(notice: Notice, content: NoticeContent) -> bool:
    """Whether a notice goes out though its channel is disabled: a resolve is owed, a test was asked for."""
    return notice.kind is NoticeKind.TEST or any(alert.status == AlertState.RESOLVED for alert in content.alerts)


def _refused(code: str, message: str) -> Worked:
    return Worked(failure=Failure(code, message, is_permanent=True))
