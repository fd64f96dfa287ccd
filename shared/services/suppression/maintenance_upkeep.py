"""Opens and closes windows of maintenance: monitors are put into the state `maintenance`, and let go again."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.judging.judgements import MonitorNews
from shared.domain.live import StateTold
from shared.domain.suppression.maintenance import (
    Maintenance,
    MaintenanceState,
    Membership,
    decide_membership,
    moved_on,
)
from shared.services.alert.alerting import Alerting
from shared.services.monitor.recorder import Publish
from shared.storage.database import Database, UnitOfWork
from shared.storage.monitor.monitor_state_store import MonitorStateStore, NewState
from shared.storage.suppression.maintenance_member_store import MaintenanceMemberStore, SeenMonitor
from shared.storage.suppression.maintenance_store import MaintenanceStore, RunningMaintenances

BATCH = 500
"""How many monitors enter or leave in one transaction."""
MOVED_AT_ONCE = 100
RECENT = timedelta(seconds=10)
"""Changes of monitors are looked through for so long: a transaction that made one may have begun earlier."""
RESCAN_SECONDS = 30.0
"""How often all monitors are looked through while a window runs, whatever was overlooked."""

Wanted = Mapping[UUID, Sequence[Maintenance]]


class MaintenanceUpkeep:
    """The duty behind windows of maintenance; safe anywhere and twice."""

    def __init__(self, database: Database, publish: Publish, alerting: Alerting) -> None:
        self._database = database
        self._publish = publish
        self._alerting = alerting
        self._scanned: dict[tuple[UUID, datetime], float] = {}
        """When this process last held all monitors against a window, by its id and start."""

    async def run(self) -> int:
        """Let monitors go whose windows are over, move those on, and take monitors in; how many came or went."""
        moved = await self._release()
        await self._move_on()
        return moved + await self._take_in()

    async def _release(self) -> int:
        async with self._database.one_statement() as work:
            leavers = await MaintenanceMemberStore(work).list_leavers(limit=BATCH)
        return await self._settle(leavers, None) if leavers else 0

    async def _move_on(self) -> None:
        async with self._database.transaction() as work:
            store = MaintenanceStore(work)
            now = await store.read_clock()
            for window in await store.lock_over(limit=MOVED_AT_ONCE):
                moved = moved_on(window, now=now)
                if moved is not None:
                    await store.update_times(moved)

    async def _take_in(self) -> int:
        async with self._database.one_statement() as work:
            running = await MaintenanceStore(work).list_running()
        keys = {(window.maintenance_id, window.starts_at) for window in running.windows}
        self._scanned = {key: at for key, at in self._scanned.items() if key in keys}
        if not running.windows:
            return 0
        now = asyncio.get_running_loop().time()
        is_whole = any(now >= self._scanned.get(key, -RESCAN_SECONDS) + RESCAN_SECONDS for key in keys)
        moved = await self._scan(running, within=None if is_whole else RECENT)
        if is_whole:
            self._scanned = dict.fromkeys(keys, now)
        return moved

    async def _scan(self, running: RunningMaintenances, *, within: timedelta | None) -> int:
        """Hold monitors against the windows, and settle those that are not where they belong."""
        moved, after = 0, UUID(int=0)
        while True:
            async with self._database.one_statement() as work:
                page = await MaintenanceMemberStore(work).list_seen(within=within, after=after)
            if not page:
                return moved
            after = page[-1].monitor_id
            wanted = {
                seen.monitor_id: chosen
                for seen in page
                if not _is_settled(seen, chosen := _windows_of(seen, running.windows))
            }
            ids = list(wanted)
            for first in range(0, len(ids), BATCH):
                moved += await self._settle(ids[first : first + BATCH], wanted)

    async def _settle(self, monitor_ids: Sequence[UUID], wanted: Wanted | None) -> int:
        """Let monitors enter and leave, judged with their states locked; without `wanted` none enters."""
        async with self._database.writing() as work:
            now = await MaintenanceStore(work).read_clock()
            states = await MonitorStateStore(work).lock(sorted(monitor_ids))
            members = await MaintenanceMemberStore(work).list_windows(monitor_ids)
            monitors = await MaintenanceMemberStore(work).list_maintained(monitor_ids)
            decided: dict[UUID, Membership] = {}
            for key in monitors.keys() & states.keys():
                held = members[key]
                chosen = _still_running(held, now) if wanted is None else wanted[key]
                decided[key] = decide_membership(states[key].standing, monitors[key], held, chosen, now=now)
            gone = [(window, key) for key in monitor_ids if key not in decided for window in members[key]]
            await MaintenanceMemberStore(work).remove(gone)
            told = await _write(work, decided, now=now)
            news = [
                MonitorNews(
                    key,
                    None,
                    states[key].standing.state,
                    now,
                    (),
                    each.folded.changes,
                    cause=states[key].standing.cause,
                )
                for key, each in sorted(decided.items())
                if each.folded.changes
            ]
            applied = await self._alerting.judge(work).judge(news)
        self._publish(told)
        self._alerting.tell(applied)
        changed = sum(bool(each.joined or each.left or each.folded.changes) for each in decided.values())
        return changed + len(gone)


async def _write(work: UnitOfWork, decided: Mapping[UUID, Membership], *, now: datetime) -> list[StateTold]:
    """Write what was decided; what is to be told of it once it is committed."""
    changes = [(key, change) for key, each in sorted(decided.items()) for change in each.folded.changes]
    states, members = MonitorStateStore(work), MaintenanceMemberStore(work)
    await states.add_spans(changes)
    await states.update({key: NewState(each.folded.standing) for key, each in decided.items() if each.folded.changes})
    await members.add([(window, key) for key, each in decided.items() for window in each.joined], now=now)
    await members.remove([(window, key) for key, each in decided.items() for window in each.left])
    return [StateTold(key, c.at, c.state, c.code, c.message) for key, c in changes]


def _windows_of(seen: SeenMonitor, windows: Sequence[Maintenance]) -> tuple[Maintenance, ...]:
    return tuple(window for window in windows if window.selector.matches(seen.labels))


def _is_settled(seen: SeenMonitor, chosen: Sequence[Maintenance]) -> bool:
    return seen.is_maintained == bool(chosen) and seen.members_of == {window.maintenance_id for window in chosen}


def _still_running(held: Mapping[UUID, Maintenance | None], now: datetime) -> tuple[Maintenance, ...]:
    found = (window for window in held.values() if window is not None)
    return tuple(window for window in found if window.state_at(now) is MaintenanceState.RUNNING)
