"""Monitors that nobody has looked at for too long: what is known of them ends where their last look's knowledge did."""

from collections.abc import Sequence
from uuid import UUID

from shared.domain.judging.judgements import MonitorNews
from shared.domain.live import StateTold
from shared.domain.monitor.looks import Silent
from shared.domain.monitor.standing import StateChange, fold_silence, patience_of
from shared.services.alert.alerting import Alerting
from shared.services.monitor.recorder import Publish
from shared.storage.database import Database
from shared.storage.monitor.monitor_state_store import MonitorStateStore, NewState

BATCH = 500
"""How many are written down in one transaction."""
LISTED = 10_000
"""How many are found by one walk through all monitors."""


class Silence:
    """Turns monitors to `no_data` whose looks stay away; safe anywhere and twice."""

    def __init__(self, database: Database, publish: Publish, alerting: Alerting) -> None:
        self._database = database
        self._publish = publish
        self._alerting = alerting

    async def settle(self) -> int:
        """Go through all monitors whose knowledge is over; how many had fallen silent."""
        settled, after = 0, UUID(int=0)
        while True:
            async with self._database.one_statement() as work:
                silent = await MonitorStateStore(work).list_silent(after=after, limit=LISTED)
            if not silent:
                return settled
            after = silent[-1].monitor_id
            for first in range(0, len(silent), BATCH):
                settled += await self._settle(silent[first : first + BATCH])

    async def _settle(self, silent: Sequence[Silent]) -> int:
        """Look again with the rows locked: a look may have come meanwhile."""
        changes: list[tuple[UUID, StateChange]] = []
        states: dict[UUID, NewState] = {}
        news: list[MonitorNews] = []
        async with self._database.writing() as work:
            store = MonitorStateStore(work)
            locked = await store.lock([each.monitor_id for each in silent])
            for each in silent:
                if each.monitor_id in locked:
                    standing = locked[each.monitor_id].standing
                    folded = fold_silence(standing, now=each.now, patience=patience_of(each.interval))
                    changes += [(each.monitor_id, change) for change in folded.changes]
                    if folded.changes:
                        states[each.monitor_id] = NewState(folded.standing)
                        news.append(
                            MonitorNews(
                                each.monitor_id,
                                None,
                                standing.state,
                                each.now,
                                (),
                                folded.changes,
                                cause=standing.cause,
                            )
                        )
            await store.add_spans(changes)
            await store.update(states)
            applied = await self._alerting.judge(work).judge(news)
        self._publish([StateTold(monitor_id, c.at, c.state, c.code, c.message) for monitor_id, c in changes])
        self._alerting.tell(applied)
        return len(changes)
