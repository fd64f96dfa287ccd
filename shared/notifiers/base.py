"""The one shape of a notifier."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel

from shared.domain.channel.notifications import Message
from shared.domain.job.jobs import Failure

Channel_contra = TypeVar("Channel_contra", bound=BaseModel, contravariant=True)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one try at telling went: `failure` is None when it was delivered.

    `detail` is kept with the attempt: for a webhook its `status`, `duration_ms` and the first kilobyte of the answer.
    `receipt` is what the next notice of the same group needs to update this one in place.
    """

    detail: Mapping[str, Any]
    failure: Failure | None = None
    receipt: Mapping[str, Any] | None = None


class Notifier(Protocol[Channel_contra]):
    """Tells one kind of channel; never raises for what the other side does."""

    async def deliver(self, channel: Channel_contra, message: Message, *, notification_id: UUID) -> Delivery:
        """Tell once. `notification_id` is the same over all tries, so that the receiver can drop a repeat."""
        ...

    async def close(self) -> None:
        """Let go of what is kept open for the process."""
        ...
