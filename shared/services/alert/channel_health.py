"""Whether a channel is tried now, and what a try makes of it."""

import random
from datetime import timedelta
from uuid import UUID

import structlog

from shared.coordination.channel_turns import ChannelTurns
from shared.domain.alert.channel_health import TURN, Noted, is_circuit_open, snooze_of
from shared.notifiers.base import Delivery
from shared.storage.alert.channel_health_store import ChannelHealthStore
from shared.storage.database import Database

_log = structlog.get_logger()

GONE = "gone"
"""The code of a failure that means: nothing is wanted there any more (410 of RFC 9110)."""


class ChannelHealth:
    """Spares channels that fail, and writes down how each try went; safe over any number of workers."""

    def __init__(self, database: Database, turns: ChannelTurns) -> None:
        self._database = database
        self._turns = turns

    async def ask(self, channel_id: UUID, *, failures: int, snoozes: int) -> timedelta | None:
        """None to try now, else how long to wait, no attempt being spent.

        `failures` are the channel's tries in a row that failed, `snoozes` how often the notice has waited before.
        """
        if not is_circuit_open(failures) or await self._turns.take(channel_id, lasts=TURN):
            return None
        return snooze_of(snoozes, draw=random.random())  # noqa: S311 - jitter, no secret

    async def note(self, channel_id: UUID, delivery: Delivery) -> Noted:
        """Write down how a try went. A receiver that is gone has its channel disabled.

        Raises:
            StorageUnavailableError: the database is away; the next try is written down.
        """
        failure = delivery.failure
        async with self._database.transaction() as work:
            store = ChannelHealthStore(work)
            if failure is None:
                return Noted(is_healed=await store.note_delivered(channel_id))
            await store.note_failed(channel_id)
            disabled = await store.disable(channel_id, reason=failure.message) if failure.code == GONE else None
        if disabled is not None:
            _log.warning("channel_disabled", channel_id=str(channel_id), name=disabled, reason=failure.message)
        return Noted(is_disabled=disabled is not None)
