"""The `pagerduty` notifier: an event for each alert that is news, by the Events API v2."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.domain.channel.channel_identity import channel_secrets_of
from shared.domain.channel.notifications import Message
from shared.domain.channel.service_channels import PagerDutyChannel
from shared.notifiers.base import Delivery
from shared.notifiers.pagerduty_events import Event, events_of
from shared.notifiers.posting import Posted, Poster

AT_ONCE = 8
"""How many events of a notice are under way at once."""


class PagerDutyNotifier:
    """Posts events with a client of the process.

    One that fails makes the notice be told again, and all of its events with it: PagerDuty knows them by their
    `dedup_key`, so that those it has taken already change nothing.
    """

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    async def deliver(self, channel: PagerDutyChannel, message: Message, *, notification_id: UUID) -> Delivery:
        """Post all events; what can be tried again is told before what cannot."""
        slots, started = asyncio.Semaphore(AT_ONCE), time.perf_counter()
        told = events_of(message, notification_id=notification_id)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._post_all(channel, events, slots)) for events in told]
        posts = [posted for task in tasks for posted in task.result()]
        failed = [posted for posted in posts if posted.failure is not None]
        failed.sort(key=lambda posted: posted.failure is not None and posted.failure.is_permanent)
        shown = (failed or posts[-1:] or [Posted({}, None)])[0]
        detail: dict[str, Any] = {**shown.detail, "events": len(posts), "events_failed": len(failed)}
        detail["duration_ms"] = round((time.perf_counter() - started) * 1000, 3)
        return Delivery(detail, shown.failure)

    async def close(self) -> None:
        """The client is the process's."""

    async def _post_all(
        self, channel: PagerDutyChannel, events: Sequence[Event], slots: asyncio.Semaphore
    ) -> list[Posted]:
        """Post the events of one alert, one after the other, up to the first that fails."""
        posts: list[Posted] = []
        for event in events:
            async with slots:
                posted = await self._poster.post(
                    f"{channel.url.rstrip('/')}/v2/enqueue",
                    {"routing_key": channel.routing_key.get_secret_value(), **event},
                    secrets=channel_secrets_of(channel),
                )
            posts.append(posted)
            if posted.failure is not None:
                break
        return posts
