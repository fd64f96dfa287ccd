"""The recorder of a worker process: what rounds find is written at once, together, while their leases stand."""

import asyncio
import random
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from shared.domain.live import LiveEvent
from shared.domain.monitor.looks import TakenLook
from shared.domain.target.outcome import Outcome
from shared.services.alert.alerting import Alerting
from shared.storage.database import Database
from shared.storage.errors import StorageUnavailableError
from shared.storage.group_commit import BufferFullError, GroupCommit
from shared.storage.monitor.look_store import Looked, LookStore

_log = structlog.get_logger()

Publish = Callable[[Sequence[LiveEvent]], None]
"""Tells what was committed to whoever watches, in the background; never waited for."""

MAX_PENDING = 20_000
"""How many results may wait for a commit; beyond it rounds wait, each with a hundred looks at most."""
MAX_BATCH = 500
PACE_SECONDS = 0.1
"""The least time between two flushes: the first result after a quiet time is written at once, and those that trickle in
share the next flush. A flush of one costs as much CPU as a look. What is found otherwise than before is written at
once: people wait for it."""
MAX_REMEMBERED = 100_000
"""How many monitors that are not up are remembered; beyond it all are forgotten, and each is news once more."""
RETRY_SECONDS = 1.0
LEAST_TRIES = 5
"""How often a result is tried that something else than the database's absence is in the way of."""

NoteLook = Callable[[TakenLook], None]


def note_nothing(_look: TakenLook) -> None:
    """What a process without metrics counts: nothing."""


class Recorder:
    """Writes results, those that arrive while a flush is in flight together with the next one.

    `note_look` is told of each look that was taken, before it is written.
    """

    def __init__(
        self, database: Database, publish: Publish, alerting: Alerting, *, note_look: NoteLook = note_nothing
    ) -> None:
        self._database = database
        self._publish = publish
        self._alerting = alerting
        self._note_look = note_look
        self._commits = GroupCommit(
            self._flush, max_pending=MAX_PENDING, max_batch=MAX_BATCH, pace_seconds=PACE_SECONDS
        )
        self._not_up: dict[UUID, Outcome] = {}

    async def record(self, looked: Looked) -> bool:
        """Wait until this is committed, however long the database is away; False when the round's lease is lost.

        The end of the wait is the lease's: who holds it cancels the round when it is lost.
        """
        if isinstance(looked, TakenLook):
            self._note_look(looked)
        failures, is_news = 0, self._is_news(looked)
        while True:
            try:
                return await self._commits.submit(looked, is_urgent=is_news)
            except (StorageUnavailableError, BufferFullError) as error:
                _log.warning("look_not_recorded_yet", error=repr(error))
            except Exception:
                failures += 1
                if failures == LEAST_TRIES:
                    raise
                _log.warning("look_not_recorded_yet", exc_info=True)
            await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads workers

    async def drain(self) -> None:
        """Wait until everything handed in so far is flushed."""
        await self._commits.drain()

    def _is_news(self, looked: Looked) -> bool:
        """Whether a target was found otherwise than the last time here; what is not known was up."""
        if not isinstance(looked, TakenLook):
            return False
        monitor_id, outcome = looked.monitor.monitor_id, looked.reading.outcome
        before = self._not_up.pop(monitor_id, Outcome.UP)
        if outcome is not Outcome.UP:
            if len(self._not_up) >= MAX_REMEMBERED:
                self._not_up.clear()
            self._not_up[monitor_id] = outcome
        return outcome is not before

    async def _flush(self, looked: Sequence[Looked]) -> list[bool]:
        async with self._database.writing() as work:
            recorded = await LookStore(work, self._alerting.judge(work)).record(looked)
        if recorded.events:
            self._publish(recorded.events)
        self._alerting.tell(recorded.applied)
        return [each.round.lease_token in recorded.rounds for each in looked]
