"""Whether a channel is tried now, and what a try makes of it."""

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from shared.coordination.channel_turns import ChannelTurns
from shared.domain.channel.channel_health import TURN, Noted, is_circuit_open, snooze_of, state_after
from shared.domain.live import ChannelTold, LiveEvent
from shared.notifiers.base import Delivery
from shared.storage.channel.channel_health_store import ChannelHealthStore
from shared.storage.database import Database

_log = structlog.get_logger()

GONE = "gone"
"""The code of a failure that means: nothing is wanted there any more (410 of RFC 9110)."""


Tell = Callable[[Sequence[LiveEvent]], None]


def tell_nobody(_: Sequence[LiveEvent]) -> None:
    """Leave it at the rows."""


class ChannelHealth:
    """Spares channels that fail, and writes down how each try went; safe over any number of workers.

    `tell` is given what changed of how channels fare, and is not waited for.
    """

    def __init__(self, database: Database, turns: ChannelTurns, *, tell: Tell = tell_nobody) -> None:
        self._database = database
        self._turns = turns
        self._tell = tell

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
        is_disabled = False
        # Each statement stands for itself: a channel that failed and was not disabled is so by its next try.
        async with self._database.one_statement() as work:
            store = ChannelHealthStore(work)
            tried = await (store.note_failed(channel_id) if failure else store.note_delivered(channel_id))
            if failure is not None and failure.code == GONE:
                is_disabled = await store.disable(channel_id, reason=failure.message)
        if tried is None:
            return Noted()
        state = state_after(tried.failures, is_delivered=failure is None, is_disabled=is_disabled)
        if state is not None:
            reason = None if failure is None else failure.message
            _log.warning("channel_changed", channel=tried.name, state=state.value, reason=reason)
            self._tell([ChannelTold(channel_id, state, tried.at, tried.name, reason)])
        return Noted(is_healed=failure is None and tried.failures > 0, is_disabled=is_disabled)
