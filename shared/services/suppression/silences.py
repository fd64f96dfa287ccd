"""Silences: made, changed and ended; what they hold back is decided when a notice is composed."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.clock import Clock
from shared.domain.matchers import Matchers
from shared.domain.suppression.planned_spans import plan_span
from shared.domain.suppression.silences import MAX_SILENCES, Silence, SilenceChange, SilenceState, changed_silence
from shared.services.suppression.suppression_bounds import FORGOTTEN_AT_ONCE, KEPT, HasEndedError, TooManyError
from shared.storage.database import Database
from shared.storage.suppression.silence_store import SilenceStore


class Silences:
    """Silences of an installation."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def plan(self, wanted: SilenceChange, *, by: str) -> Silence:
        """The silence that is asked for, not kept yet.

        Raises:
            SpanError: its time cannot be.
        """
        now = self._clock()
        span = plan_span(wanted.starts_at, wanted.ends_at, wanted.duration, now=now)
        matchers = wanted.matchers or Matchers()
        return Silence(uuid7(), matchers, span.starts_at, span.ends_at, wanted.comment or "", now, by)

    async def make(self, silence: Silence) -> None:
        """Keep a silence that was planned.

        Raises:
            TooManyError: as many as may be have not expired.
        """
        async with self._database.transaction() as work:
            store = SilenceStore(work)
            if await store.count_live(now=self._clock()) >= MAX_SILENCES:
                raise TooManyError
            await store.insert(silence)

    async def change(self, silence_id: UUID, change: SilenceChange) -> Silence | None:
        """Change a silence that has not expired; None when there is none of this id.

        Raises:
            HasEndedError: it has expired.
            SpanError: its time would be none.
        """
        now = self._clock()
        async with self._database.transaction() as work:
            store = SilenceStore(work)
            silence = await store.lock(silence_id)
            if silence is None:
                return None
            if silence.state_at(now) is SilenceState.EXPIRED:
                raise HasEndedError
            changed = changed_silence(silence, change, now=now)
            await store.update(changed)
        return changed

    async def end(self, silence_id: UUID) -> bool:
        """Let a silence expire now, and leave it if it has; False when there is none of this id."""
        now = self._clock()
        async with self._database.transaction() as work:
            store = SilenceStore(work)
            silence = await store.lock(silence_id)
            if silence is not None and silence.state_at(now) is not SilenceState.EXPIRED:
                await store.update(replace(silence, starts_at=min(silence.starts_at, now), ends_at=now))
        return silence is not None

    async def forget(self) -> int:
        """Delete those that expired long ago; how many were."""
        async with self._database.transaction() as work:
            return await SilenceStore(work).forget(before=self._clock() - KEPT, limit=FORGOTTEN_AT_ONCE)

    def now(self) -> datetime:
        """The moment by which silences are judged."""
        return self._clock()
