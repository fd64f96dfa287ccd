"""The work of a notify job: tell one message to one channel."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.domain.channel.notifications import Channel, Event, EventMessage, Message
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import Failure
from shared.domain.job.leases import ClaimedJob
from shared.notifiers.base import Notifier
from shared.telemetry import SpanKind, span


class _NotifySpec(BaseModel):
    model_config = ConfigDict(extra="ignore")

    channel: Channel
    message: Message
    event: Event | None = None

    @property
    def told(self) -> Message:
        """What the notifier tells."""
        if self.event is None:
            return self.message
        return EventMessage(title=self.message.title, text=self.message.text, event=self.event)


class _NoticeSpec(BaseModel):
    model_config = ConfigDict(extra="ignore")

    notice: UUID


class NotifyWork:
    """Tells by the notifier of the channel's kind; the notification's id is the same over all tries."""

    def __init__(self, notifiers: Mapping[str, Notifier[Any]]) -> None:
        self._notifiers = notifiers

    async def __call__(self, claimed: ClaimedJob, report: ReportProgress) -> Worked:  # noqa: ARG002 - telling is one step
        """Tell once; a spec that this version cannot read is a permanent failure."""
        try:
            spec = _NotifySpec.model_validate_json(claimed.spec)
        except ValidationError:
            return Worked(failure=Failure("unreadable_spec", "this worker cannot read the job's channel", True))
        notifier = self._notifiers[spec.channel.kind]
        with span(f"notify {spec.channel.kind}", SpanKind.CLIENT) as told:
            delivery = await notifier.deliver(spec.channel, spec.told, notification_id=claimed.notification_id)
            if delivery.failure is not None:
                told.fail(delivery.failure.code)
        return Worked(
            result={"delivered": True} if delivery.failure is None else None,
            failure=delivery.failure,
            detail=delivery.detail,
        )


class TellsNotices(Protocol):
    """What tells a notice of alerts."""

    async def tell(self, claimed: ClaimedJob, notice_id: UUID) -> Worked:
        """Try once to tell it."""
        ...


class TellingWork:
    """The work of any notify job: it holds what is told, or only names a notice of alerts."""

    def __init__(self, messages: NotifyWork, notices: TellsNotices) -> None:
        self._messages = messages
        self._notices = notices

    async def __call__(self, claimed: ClaimedJob, report: ReportProgress) -> Worked:
        """Tell once."""
        try:
            spec = _NoticeSpec.model_validate_json(claimed.spec)
        except ValidationError:
            return await self._messages(claimed, report)
        return await self._notices.tell(claimed, spec.notice)
