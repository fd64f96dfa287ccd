"""Pausing and resuming monitors within one unit of work that holds their rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.live import StateTold
from shared.domain.monitor.monitors import Monitor
from shared.domain.monitor.pauses import gap_of_pause
from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.slots import Gap
from shared.domain.monitor.standing import Folded, Standing, fold_pause, fold_resume, fold_silence
from shared.storage.database import UnitOfWork
from shared.storage.heartbeat.heartbeat_store import HeartbeatStore
from shared.storage.monitor.monitor_pauses import MonitorPauses
from shared.storage.monitor.monitor_state_store import LockedState, MonitorStateStore, NewState
from shared.storage.monitor.schedule_store import ScheduleStore


@dataclass(frozen=True, slots=True)
class PauseOrder:
    """That a monitor is to be paused, or to go on; `schedule` is the one it goes on with, None of a heartbeat."""

    monitor: Monitor
    schedule: Schedule | None
    is_paused: bool


class Pausing:
    """Stops looking at monitors, or begins again, at the moment `now` of the database."""

    def __init__(self, work: UnitOfWork, now: datetime) -> None:
        self._work = work
        self._now = now

    async def run(
        self,
        orders: Mapping[UUID, PauseOrder],
        states: Mapping[UUID, LockedState],
        patience: Mapping[UUID, timedelta],
    ) -> list[StateTold]:
        """Carry the orders out; the answer is what changed.

        `states` are those of the monitors, locked; `patience` is how long each may have been silent.
        """
        folded = {key: _fold(order, states[key].standing, self._now, patience[key]) for key, order in orders.items()}
        changes = [(key, change) for key, one in folded.items() for change in one.changes]
        store = MonitorStateStore(self._work)
        await store.add_spans(changes)
        await store.update({key: NewState(one.standing) for key, one in folded.items()})
        await self._set_schedules(orders)
        return [StateTold(key, c.at, c.state, c.code, c.message) for key, c in changes]

    async def _set_schedules(self, orders: Mapping[UUID, PauseOrder]) -> None:
        pauses = MonitorPauses(self._work)
        await pauses.set_paused(
            {key: self._now if order.is_paused else None for key, order in orders.items()}, now=self._now
        )
        await pauses.set_slots(
            {
                key: None if order.is_paused else order.schedule.next_after(self._now)
                for key, order in orders.items()
                if order.schedule is not None
            }
        )
        heartbeats = {key: order.is_paused for key, order in orders.items() if order.schedule is None}
        if heartbeats:
            store = HeartbeatStore(self._work)
            await store.pause([key for key, is_paused in heartbeats.items() if is_paused])
            await store.resume([key for key, is_paused in heartbeats.items() if not is_paused], now=self._now)
        gaps = [gap for order in orders.values() if (gap := self._gap_of(order)) is not None]
        if gaps:
            await pauses.take_back_gaps({gap.monitor_id: gap.first_slot for gap in gaps})
            await ScheduleStore(self._work).add_gaps(gaps)

    def _gap_of(self, order: PauseOrder) -> Gap | None:
        monitor = order.monitor
        if order.is_paused or order.schedule is None or monitor.paused_at is None:
            return None
        return gap_of_pause(monitor.monitor_id, monitor.schedule, paused_at=monitor.paused_at, resumed_at=self._now)


def _fold(order: PauseOrder, standing: Standing, now: datetime, patience: timedelta) -> Folded:
    # A clock that was set back would else begin a span before the one it ends.
    at = max(now, standing.since)
    if not order.is_paused:
        return fold_resume(standing, at=at)
    silent = _fold_silence(order, standing, at, patience)
    paused = fold_pause(silent.standing, at=at)
    return Folded(paused.standing, silent.changes + paused.changes)


def _fold_silence(order: PauseOrder, standing: Standing, at: datetime, patience: timedelta) -> Folded:
    """What was known has ended where nobody looked any more, and not only with the pause."""
    if order.schedule is None:
        return Folded(standing)
    silent = fold_silence(standing, now=at, patience=patience)
    return silent if silent.standing.since < at else Folded(standing)
