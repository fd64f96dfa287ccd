"""Writes what rounds found: samples, notes, how monitors stand, in one transaction fenced by the rounds' leases."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.domain.judging.judgements import MonitorNews
from shared.domain.live import LiveEvent, StateTold
from shared.domain.monitor.looks import FoldedLooks, MissedLook, Round, TakenLook, fold_looks
from shared.domain.monitor.slots import Gap, GapReason
from shared.domain.monitor.standing import MonitorState
from shared.domain.sample.samples import Sample
from shared.storage.advisory_locks import SAMPLE_WRITERS
from shared.storage.alert.alert_store import Applied
from shared.storage.database import UnitOfWork
from shared.storage.judging.alert_judge import AlertJudge
from shared.storage.monitor.monitor_state_store import LockedState, MonitorStateStore, NewState
from shared.storage.monitor.schedule_store import ScheduleStore
from shared.storage.sample.sample_encoding import PlacedSample
from shared.storage.sample.slot_samples import news_of, state_with, told, write_slot_samples

Looked = TakenLook | MissedLook


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a flush wrote: the rounds whose lease stood, and what is to be told of it once it is committed."""

    rounds: frozenset[UUID]
    events: Sequence[LiveEvent]
    applied: Applied


class LookStore:
    """Looks within one unit of work, in which `judge` judges them."""

    def __init__(self, work: UnitOfWork, judge: AlertJudge) -> None:
        self._work = work
        self._judge = judge
        self._states = MonitorStateStore(work)

    async def record(self, looked: Sequence[Looked]) -> Recorded:
        """Write what was looked at under leases that stand; everything else is left out.

        A slot that has its sample already, and a look older than the latest one, change nothing: the same looks may be
        recorded twice. A monitor that was paused meanwhile gets a gap instead, a deleted one nothing.
        """
        # Waiting for the lock comes first: what it protects is read by a statement of its own, with a later snapshot.
        await self._work.run("select pg_advisory_xact_lock_shared($1)", SAMPLE_WRITERS)
        # So are the leases, once the states are held: whoever was rescued meanwhile has lost its own.
        locked = await self._states.lock(sorted({_monitor_of(each) for each in looked}))
        rounds = await self._find_leased({each.round for each in looked})
        leased = [each for each in looked if each.round.lease_token in rounds]
        taken = [each for each in leased if isinstance(each, TakenLook)]
        missed = [each for each in leased if isinstance(each, MissedLook)]
        is_paused = {key: state.standing.state is MonitorState.PAUSED for key, state in locked.items()}
        counted = [each for each in taken if is_paused.get(each.monitor.monitor_id) is False]
        placed = await self._write_samples(counted)
        events, news = await self._fold(counted, placed, locked)
        gaps = await self._find_missed(missed)
        gaps += [
            _paused_gap(each) for each in taken if is_paused.get(each.monitor.monitor_id) and each.visit.is_regular
        ]
        await self._add_gaps(gaps)
        return Recorded(rounds, events, await self._judge.judge(news))

    async def _find_leased(self, rounds: Iterable[Round]) -> frozenset[UUID]:
        """The tokens that stand now.

        The rows are not locked, because the heartbeat would wait for that: what is written in the moment a lease is
        lost is found by the next attempt like all that was written before it.
        """
        asked = list(rounds)
        rows = await self._work.fetch(
            """
            select j.lease_token from unnest($1::uuid[], $2::uuid[]) as r (job_id, token)
            join jobs j on j.job_id = r.job_id and j.lease_token = r.token and j.state = 'running'
            """,
            [each.job_id for each in asked],
            [each.lease_token for each in asked],
        )
        return frozenset(row.lease_token for row in rows)

    async def _write_samples(self, taken: Sequence[TakenLook]) -> dict[int, list[PlacedSample]]:
        """Write the samples of regular slots; those written, by series, in the order of their slots."""
        samples = [
            Sample(each.round.job_id, 0, each.monitor.series_id, each.monitor.kind, each.reading, each.visit.slot)
            for each in taken
            if each.visit.is_regular
        ]
        return await write_slot_samples(self._work, samples)

    async def _fold(
        self,
        taken: Sequence[TakenLook],
        placed: Mapping[int, Sequence[PlacedSample]],
        locked: Mapping[UUID, LockedState],
    ) -> tuple[list[LiveEvent], list[MonitorNews]]:
        by_monitor: dict[UUID, list[TakenLook]] = {}
        for each in taken:
            by_monitor.setdefault(each.monitor.monitor_id, []).append(each)
        folded: dict[UUID, FoldedLooks] = {}
        states: dict[UUID, NewState] = {}
        events: list[LiveEvent] = []
        news: list[MonitorNews] = []
        for monitor_id, looks in by_monitor.items():
            written = placed.get(looks[0].monitor.series_id, ())
            before = locked[monitor_id]
            one = folded[monitor_id] = fold_looks(before.standing, looks)
            states[monitor_id] = state_with(one.standing, before, written)
            events += [told(monitor_id, sample) for sample in written]
            news.append(_news_of(looks, before, written, one))
        changes = [(monitor_id, change) for monitor_id, one in folded.items() for change in one.changes]
        await self._states.add_spans(changes)
        await self._states.update(states)
        await self._states.confirm(folded)
        events += [StateTold(monitor_id, c.at, c.state, c.code, c.message) for monitor_id, c in changes]
        return events, news

    async def _find_missed(self, missed: Sequence[MissedLook]) -> list[Gap]:
        """The gaps of those that are missed still.

        Who pauses or resumes holds the state, which is locked here; and so does an earlier worker of the round that
        was about to write the slot's sample when its lease was lost: what it wrote is not missed.
        """
        if not missed:
            return []
        sampled = await self._find_sampled([each.gap for each in missed])
        missed = [each for each in missed if (each.gap.monitor_id, each.gap.first_slot) not in sampled]
        asked = sorted({each.gap.monitor_id for each in missed if each.paused_at is not None})
        paused_at: dict[UUID, datetime | None] = {}
        if asked:
            rows = await self._work.fetch(
                "select monitor_id, paused_at from monitors where monitor_id = any($1::uuid[])", asked
            )
            paused_at = {row.monitor_id: row.paused_at for row in rows}
        return [each.gap for each in missed if each.is_of(paused_at.get(each.gap.monitor_id))]

    async def _find_sampled(self, gaps: Sequence[Gap]) -> set[tuple[UUID, datetime]]:
        """The slots of these that have a sample."""
        rows = await self._work.fetch(
            """
            select m.monitor_id, s.ts from unnest($1::uuid[], $2::timestamptz[]) as g (monitor_id, slot)
            join monitors m using (monitor_id) join sample s on s.series_id = m.series_id and s.ts = g.slot
            """,
            [gap.monitor_id for gap in gaps],
            [gap.first_slot for gap in gaps],
        )
        return {(row.monitor_id, row.ts) for row in rows}

    async def _add_gaps(self, gaps: Sequence[Gap]) -> None:
        if not gaps:
            return
        present = await self._states.hold(sorted({gap.monitor_id for gap in gaps}))
        await ScheduleStore(self._work).add_gaps([gap for gap in gaps if gap.monitor_id in present])


def _monitor_of(looked: Looked) -> UUID:
    return looked.monitor.monitor_id if isinstance(looked, TakenLook) else looked.gap.monitor_id


def _news_of(
    looks: Sequence[TakenLook], before: LockedState, written: Sequence[PlacedSample], folded: FoldedLooks
) -> MonitorNews:
    monitor = looks[0].monitor
    return MonitorNews(
        monitor_id=monitor.monitor_id,
        version=max(each.monitor.version for each in looks),
        before=before.standing.state,
        at=max(each.visit.slot for each in looks),
        samples=[news_of(each) for each in written],
        changes=folded.changes,
        is_first=before.sampled_at is None,
        cause=before.standing.cause,
    )


def _paused_gap(taken: TakenLook) -> Gap:
    slot = taken.visit.slot
    return Gap(taken.monitor.monitor_id, slot, slot, 1, GapReason.PAUSED)
