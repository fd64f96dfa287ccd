"""Upkeep of rounds: what was not worked off is told as missed, what ended is forgotten. Safe anywhere and twice."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec
import structlog

from shared.domain.monitor.rounds import decode_round
from shared.domain.monitor.scheduling import HORIZON, reason_of
from shared.domain.monitor.slots import Gap, Visit
from shared.services.monitor.scheduling import CountMissed, count_no_misses, missed_of
from shared.storage.database import Database
from shared.storage.monitor.round_end_store import RoundEndStore, Unsettled
from shared.storage.monitor.schedule_store import ScheduleStore

_log = structlog.get_logger()

SETTLED_AT_ONCE = 50
FORGOTTEN_AT_ONCE = 500
SUCCEEDED_KEPT = timedelta(minutes=10)
OTHERS_KEPT = timedelta(days=1)
"""Rounds are many, and what they found is with their monitors; those that went wrong are kept to be looked at."""
GAPS_KEPT = timedelta(days=400)
"""A year of coverage, and some to compare it with."""
GAPS_AT_ONCE = 5000
ANCHORED_AT_ONCE = 1000


class RoundUpkeep:
    """Settles and forgets rounds, and sets schedules right after the clock was. Each duty answers how much it moved."""

    def __init__(self, database: Database, *, count_missed: CountMissed = count_no_misses) -> None:
        self._database = database
        self._count_missed = count_missed

    async def settle(self) -> int:
        """Write down the slots of rounds that failed, expired or were cancelled, but for those that have a sample."""
        async with self._database.transaction() as work:
            store = RoundEndStore(work)
            ended = await store.lock_unsettled(limit=SETTLED_AT_ONCE)
            if not ended:
                return 0
            if any(each.broken.attempts for each in ended):
                await store.wait_for_writers()
            looks = [(each, visit) for each in ended for visit in _regular_visits(each)]
            unrecorded = await store.list_unrecorded([visit for _, visit in looks]) if looks else []
            gaps = [_gap_of(*looks[place]) for place in unrecorded]
            if gaps:
                await ScheduleStore(work).add_gaps(gaps)
            await store.mark_settled([each.job_id for each in ended])
        self._count_missed(missed_of(gaps))
        _log.warning("rounds_settled", rounds=len(ended), missed=sum(gap.slots for gap in gaps))
        return len(ended)

    async def forget(self) -> int:
        """Delete rounds that ended long enough ago; answers how many."""
        async with self._database.transaction() as work:
            return await RoundEndStore(work).delete_ended(
                succeeded_before=SUCCEEDED_KEPT, settled_before=OTHERS_KEPT, limit=FORGOTTEN_AT_ONCE
            )

    async def forget_gaps(self) -> int:
        """Delete what is told of slots that were missed long ago; answers how much."""
        async with self._database.transaction() as work:
            return await RoundEndStore(work).delete_gaps(older_than=GAPS_KEPT, limit=GAPS_AT_ONCE)

    async def anchor(self) -> int:
        """Set schedules right that are due later than they can be: the database's clock was set back."""
        after: UUID | None = None
        anchored = 0
        while True:
            async with self._database.transaction() as work:
                store = ScheduleStore(work)
                far = await store.list_far(after=after, ahead=HORIZON, limit=ANCHORED_AT_ONCE)
                wrong = [found for each in far if (found := each.anchored()) is not None]
                anchored += await store.anchor(wrong) if wrong else 0
            if len(far) < ANCHORED_AT_ONCE:
                break
            after = far[-1].monitor_id
        if anchored:
            _log.warning("schedules_anchored", monitors=anchored, reason="the database's clock was set back")
        return 0


def _regular_visits(ended: Unsettled) -> Sequence[Visit]:
    try:
        return [visit for visit in decode_round(ended.spec) if visit.is_regular]
    except msgspec.DecodeError:
        # A newer version made it, and a newer version's worker is needed to say what is in it.
        _log.warning("round_unreadable", job_id=str(ended.job_id))
        return ()


def _gap_of(ended: Unsettled, visit: Visit) -> Gap:
    return Gap(visit.monitor_id, visit.slot, visit.slot, 1, reason_of(ended.broken))
