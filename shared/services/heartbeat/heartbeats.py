"""Heartbeats: pings taken in by the thousand, silence noticed, and a note of when somebody was there to be pinged."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from shared.domain.heartbeat.ping_delivery import Delivery, PingAddress, PingAnswer
from shared.domain.heartbeat.ping_folding import FoldedPings, fold_overdue, fold_pings, is_overdue
from shared.domain.heartbeat.pings import Ping, PingKind
from shared.domain.live import LiveEvent
from shared.domain.monitor.standing import MonitorState
from shared.services.alert.alerting import Alerting
from shared.storage.database import Database, UnitOfWork
from shared.storage.group_commit import GroupCommit
from shared.storage.heartbeat.life_sign_store import LifeSignStore, LockedHeartbeat, WrittenSigns
from shared.storage.heartbeat.listening_store import ListeningStore
from shared.storage.heartbeat.ping_address_store import PingAddressStore
from shared.storage.heartbeat.ping_store import PingStore

MAX_PENDING = 20_000
"""How many pings may wait for a commit before clients are asked to come back."""
MAX_BATCH = 500
WATCH_BATCH = 500
"""How many silent heartbeats are judged at once."""
LISTEN_SECONDS = 1.0

Publish = Callable[[Sequence[LiveEvent]], None]
"""Tells what was committed to whoever watches, in the background; never waited for."""

_log = structlog.get_logger()


class Heartbeats:
    """What the API does with pings, and a worker with silence."""

    def __init__(self, database: Database, publish: Publish, alerting: Alerting) -> None:
        self._database = database
        self._publish = publish
        self._alerting = alerting
        self._commits = GroupCommit(self._flush, max_pending=MAX_PENDING, max_batch=MAX_BATCH)

    async def take(self, delivery: Delivery) -> PingAnswer:
        """Wait until a ping is committed; those that arrive meanwhile share the next commit.

        Raises:
            BufferFullError: too many wait; nothing was taken.
            StorageUnavailableError: the database is away or too slow.
        """
        return await self._commits.submit(delivery)

    async def listen(self) -> None:
        """Write down, until cancelled, that somebody is there to be pinged.

        While that cannot be written pings cannot be taken either. Whatever the reason, it is tried again: once nobody
        listens for good, no silence is told any more.
        """
        while True:
            try:
                async with self._database.one_statement() as work:
                    await ListeningStore(work).note()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next time may find it gone
                _log.warning("listening_not_noted", error=repr(error))
            await asyncio.sleep(LISTEN_SECONDS)

    async def watch(self) -> int:
        """Judge the heartbeats that nothing was heard of in time; answers how many were."""
        async with self._database.writing() as work:
            signs = LifeSignStore(work, self._alerting.judge(work))
            await signs.begin()
            overdue = await signs.find_overdue(limit=WATCH_BATCH)
            # One may have been paused before its row was ours.
            found = (await signs.lock(overdue)).items() if overdue else ()
            locked = {monitor_id: each for monitor_id, each in found if each.watched.heartbeat.expected_at is not None}
            if not locked:
                return 0
            heard = await ListeningStore(work).read(since=_armed_since(locked))
            folded = {
                monitor_id: fold_overdue(each.watched, now=heard.now, ears=heard.ears)
                for monitor_id, each in locked.items()
            }
            judged = {monitor_id: each for monitor_id, each in folded.items() if each.signs}
            written = await signs.write(locked, judged) if judged else WrittenSigns()
        self._tell(written)
        return len(judged)

    async def drain(self) -> None:
        """Wait until every ping that was taken is committed."""
        await self._commits.drain()

    async def _flush(self, deliveries: Sequence[Delivery]) -> list[PingAnswer]:
        async with self._database.writing() as work:
            signs = LifeSignStore(work, self._alerting.judge(work))
            await signs.begin()
            found = await PingAddressStore(work).find({each.address for each in deliveries})
            arrivals = _arrivals(deliveries, found.monitors, now=found.now)
            locked = await signs.lock(sorted(arrivals))
            folded = await self._fold(work, locked, arrivals)
            written = WrittenSigns()
            if folded:
                written = await signs.write(locked, folded)
                await _keep(work, folded, arrivals)
        self._tell(written)
        return [_answer(found.monitors.get(each.address, ()), locked) for each in deliveries]

    def _tell(self, written: WrittenSigns) -> None:
        self._publish(written.events)
        self._alerting.tell(written.applied)

    async def _fold(
        self, work: UnitOfWork, locked: Mapping[UUID, LockedHeartbeat], arrivals: "Arrivals"
    ) -> dict[UUID, FoldedPings]:
        pings = {monitor_id: [ping for ping, _ in arrivals[monitor_id]] for monitor_id in locked}
        ears = None
        if any(is_overdue(each.watched, pings[monitor_id]) for monitor_id, each in locked.items()):
            ears = (await ListeningStore(work).read(since=_armed_since(locked))).ears
        runs = _runs_to_find(locked, pings)
        begun = await PingStore(work).find_begun(runs) if runs else {}
        return {
            monitor_id: fold_pings(each.watched, pings[monitor_id], ears=ears, begun=begun.get(monitor_id, {}))
            for monitor_id, each in locked.items()
        }


Arrivals = dict[UUID, list[tuple[Ping, Delivery]]]
"""The pings of each heartbeat, as they came."""


def _arrivals(
    deliveries: Sequence[Delivery], found: Mapping[PingAddress, Sequence[UUID]], *, now: datetime
) -> Arrivals:
    """When each ping came, by the database's clock: `now` less the time it has waited here."""
    at = asyncio.get_running_loop().time()
    arrivals: Arrivals = {}
    for each in sorted(deliveries, key=lambda delivery: delivery.received):
        monitors = found.get(each.address, ())
        if len(monitors) == 1:
            came_at = now - timedelta(milliseconds=int(max(0.0, at - each.received) * 1000))
            ping = Ping(each.kind, came_at, each.run_id, each.exit_status, each.told_ms, each.message)
            arrivals.setdefault(monitors[0], []).append((ping, each))
    return arrivals


def _runs_to_find(
    locked: Mapping[UUID, LockedHeartbeat], pings: Mapping[UUID, Sequence[Ping]]
) -> list[tuple[UUID, UUID]]:
    """The runs that have ended and are not the latest one, whose beginning the heartbeat itself knows."""
    return [
        (monitor_id, ping.run_id)
        for monitor_id, each in locked.items()
        for ping in pings[monitor_id]
        if ping.run_id is not None
        and ping.kind in {PingKind.SUCCESS, PingKind.FAIL}
        and ping.run_id != each.watched.heartbeat.run_id
    ]


async def _keep(work: UnitOfWork, folded: Mapping[UUID, FoldedPings], arrivals: Arrivals) -> None:
    """Keep the pings themselves; they were folded in the order in which they came."""
    rows = [
        (monitor_id, numbered, delivery)
        for monitor_id, each in folded.items()
        for numbered, (_, delivery) in zip(each.numbered, arrivals[monitor_id], strict=True)
    ]
    await PingStore(work).add(rows)


def _answer(monitors: Sequence[UUID], locked: Mapping[UUID, LockedHeartbeat]) -> PingAnswer:
    if len(monitors) > 1:
        return PingAnswer.AMBIGUOUS
    if not monitors or monitors[0] not in locked:
        return PingAnswer.NOT_FOUND
    is_paused = locked[monitors[0]].watched.standing.state is MonitorState.PAUSED
    return PingAnswer.PAUSED if is_paused else PingAnswer.TAKEN


def _armed_since(locked: Mapping[UUID, LockedHeartbeat]) -> datetime:
    """Since when somebody had to listen, for any of them."""
    heartbeats = [each.watched.heartbeat for each in locked.values()]
    return min(each.armed_at or each.expected_at for each in heartbeats if each.expected_at is not None)
