"""One batch of changes to monitors within one unit of work: what each comes to is decided, then all is written."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.heartbeat.heartbeats import HeartbeatTarget
from shared.domain.live import StateTold
from shared.domain.monitor.monitor_changes import MAX_MONITORS, CreateMonitor, MonitorChange, MonitorDraft, PutMonitor
from shared.domain.monitor.pauses import gap_before
from shared.domain.monitor.standing import fold_schedule, patience_of
from shared.services.monitor.monitor_decisions import Decisions
from shared.services.monitor.monitor_pausing import Pausing
from shared.storage.database import UnitOfWork
from shared.storage.heartbeat.heartbeat_store import HeartbeatStore, NewHeartbeat
from shared.storage.monitor.monitor_pauses import MonitorPauses
from shared.storage.monitor.monitor_state_store import LockedState, MonitorStateStore, NewState
from shared.storage.monitor.monitor_store import MonitorStore
from shared.storage.monitor.monitor_writing import MonitorWriter, NameTakenError, Origin
from shared.storage.monitor.schedule_store import ScheduleStore
from shared.vault import Vault

YIELD_EVERY = 50
"""Changes judged in one go; a thousand would hold up every other request for some ten milliseconds."""


async def decide_all(work: UnitOfWork, changes: Sequence[MonitorChange], vault: Vault) -> Decisions:
    """Lock the monitors that the changes name, and decide what each change comes to."""
    store = MonitorStore(work)
    names = [(c.spec.group, c.spec.name) for c in changes if isinstance(c, CreateMonitor | PutMonitor)]
    holders = await store.find_names(names) if names else {}
    ids = {c.monitor_id for c in changes} | set(holders.values())
    room = MAX_MONITORS - await store.count() if names else 0
    decisions = Decisions(await store.lock(list(ids)), holders, vault, room=room)
    for place, change in enumerate(changes):
        decisions.decide(change)
        if place % YIELD_EVERY == YIELD_EVERY - 1:
            await asyncio.sleep(0)
    if decisions.renames:
        decisions.refuse_taken(await store.find_names(list(decisions.renames)))
    return decisions


async def write_all(work: UnitOfWork, decisions: Decisions, *, by: str) -> list[StateTold]:
    """Write what was decided; the answer is what changed of how monitors stand.

    Raises:
        NameTakenError: a name was taken meanwhile; the unit of work is spoiled, begin anew.
    """
    pausing, deletes = decisions.pausing, decisions.deletes
    unsettled = decisions.unsettled
    states = await MonitorStateStore(work).lock(sorted(unsettled)) if unsettled else {}
    if moved := [*deletes, *decisions.renamed]:
        await MonitorStore(work).lock_keys(moved)
    now, next_slots = await MonitorPauses(work).lock_schedules([*pausing, *deletes, *decisions.schedules])
    writer = MonitorWriter(work)
    if deletes:
        await writer.delete(deletes)
    if decisions.updates:
        await writer.update(decisions.updates, now=now)
        await _update_heartbeats(work, decisions.updates, now=now)
    behind = await _tell_passed(work, decisions, next_slots, now=now)
    patience = {
        key: timedelta(0) if key in behind else patience_of(decisions.held[key].monitor.schedule.interval)
        for key in (*pausing, *decisions.schedules)
    }
    if decisions.schedules:
        await _set_schedules(work, decisions, states, patience, now=now)
    told = await Pausing(work, now).run(pausing, states, patience) if pausing else []
    if decisions.inserts:
        made = await writer.insert(decisions.inserts, origin=Origin(now, by))
        if len(made) < len(decisions.inserts):
            raise NameTakenError
    return told + [StateTold(draft.monitor_id, now, draft.first_state) for draft in decisions.inserts]


async def _tell_passed(
    work: UnitOfWork, decisions: Decisions, next_slots: Mapping[UUID, datetime], *, now: datetime
) -> set[UUID]:
    """Write down the slots that passed unscheduled, of schedules that are left now; answers whose they are."""
    left = {key: decisions.held[key].monitor.schedule for key in (*decisions.pausing, *decisions.schedules)}
    gaps = [
        gap
        for key, schedule in left.items()
        if key in next_slots and (gap := gap_before(key, schedule, next_slot=next_slots[key], now=now))
    ]
    if gaps:
        await ScheduleStore(work).add_gaps(gaps)
    return {gap.monitor_id for gap in gaps}


async def _set_schedules(
    work: UnitOfWork,
    decisions: Decisions,
    states: Mapping[UUID, LockedState],
    patience: Mapping[UUID, timedelta],
    *,
    now: datetime,
) -> None:
    """Let monitors be looked at by other schedules from now on; no slot is missed by that."""
    slots = {key: schedule.next_after(now) for key, schedule in decisions.schedules.items()}
    await MonitorPauses(work).set_slots(slots)
    known: dict[UUID, NewState] = {}
    for key, slot in slots.items():
        standing = fold_schedule(states[key].standing, next_slot=slot, now=now, patience=patience[key])
        known[key] = NewState(standing)
    await MonitorStateStore(work).update(known)


async def _update_heartbeats(work: UnitOfWork, drafts: Sequence[MonitorDraft], *, now: datetime) -> None:
    changed = [
        NewHeartbeat(draft.monitor_id, draft.spec.target.grace, draft.spec.target.slug)
        for draft in drafts
        if isinstance(draft.spec.target, HeartbeatTarget)
    ]
    if changed:
        await HeartbeatStore(work).update(changed, now=now)
