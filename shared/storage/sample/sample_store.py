"""Samples: written with everything they touch in one transaction, and listed per job."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from uuid import UUID

import asyncpg

from shared.domain.sample.samples import Sample
from shared.domain.target.outcome import OUTCOME_OF_CODE, Outcome
from shared.storage.advisory_locks import SAMPLE_COLLISIONS, SAMPLE_WRITERS
from shared.storage.database import UnitOfWork
from shared.storage.sample.late_samples import add_late
from shared.storage.sample.packed_metrics import find_packed_metrics
from shared.storage.sample.partition_store import PartitionStore
from shared.storage.sample.partitions import SAMPLES
from shared.storage.sample.rollup_state import read_rollup_state
from shared.storage.sample.sample_encoding import PlacedSample, encode_rows, milliseconds_of, place, unpack_metrics
from shared.storage.storable import storable_or_none

MAX_TRIES = 5
"""How often a batch is written; each time, a writer that met no collision itself was in the way."""

SLACK = timedelta(seconds=10)
"""How far beyond the wanted time free milliseconds are looked for."""

_SERIES_AND_TIME = attrgetter("series_id", "ts_ms")


class SampleCollisionError(Exception):
    """No free milliseconds were found for readings of one series; too many are written at once for the same target."""


@dataclass(frozen=True, slots=True)
class JobSample:
    """What a job found at one of its targets; `metrics` are empty once the sample is older than is kept."""

    position: int
    target: str
    outcome: Outcome
    duration_ms: float | None
    metrics: Mapping[str, float]
    code: str | None
    message: str | None
    collected_at: datetime


class SampleStore:
    """Samples within a transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def record(self, samples: Sequence[Sample]) -> None:
        """Write samples, the current state of their series, marks for late ones, and what each job found.

        Samples older than what is still kept are written to the job only.

        Raises:
            SampleCollisionError: no free milliseconds were found; the transaction may be tried again.
        """
        if not samples:
            return
        placed, too_old = await self._write(samples)
        await self._copy_job_samples([*placed, *place(too_old)])

    async def record_slots(self, samples: Sequence[Sample]) -> list[PlacedSample]:
        """Write samples of slots, whose slot has none yet, with all but what a job found; answer which those were."""
        if not samples:
            return []
        placed, _ = await self._write(samples)
        return placed

    async def _write(self, samples: Sequence[Sample]) -> tuple[list[PlacedSample], list[Sample]]:
        # Waiting for the lock comes first: what it protects is read by a statement of its own, with a later snapshot.
        await self._work.run("select pg_advisory_xact_lock_shared($1)", SAMPLE_WRITERS)
        state = await read_rollup_state(self._work)
        too_old = [each for each in samples if each.at < state.samples_from]
        closed = [each for each in samples if state.samples_from <= each.at < state.closed_until]
        hot = [each for each in samples if each.at >= max(state.samples_from, state.closed_until)]
        # The late ones may wait for others of their kind, and nothing is written yet that others wait for.
        placed = await add_late(self._work, closed)
        placed += await self.add_rows(hot)
        if closed:
            placed.sort(key=_SERIES_AND_TIME)
        await self._mark_late(placed, before=state.claimed_at)
        await self._update_current(placed)
        return placed, too_old

    async def add_rows(self, samples: Sequence[Sample]) -> list[PlacedSample]:
        """Write the rows alone, by COPY; what collides is moved, a partition that is missing is made.

        Raises:
            SampleCollisionError: no free milliseconds were found.
        """
        placed = place(samples)
        if not placed:
            return placed
        driver = await self._work.driver()
        for _ in range(MAX_TRIES):
            try:
                async with driver.transaction():
                    await driver.copy_to_table(
                        "sample",
                        source=io.BytesIO(encode_rows(placed)),
                        columns=("ts", "value", "series_id", "outcome", "extras"),
                        format="binary",
                    )
            except asyncpg.UniqueViolationError:
                # Nothing of this batch is written at this point, so nobody waits for it while it waits here.
                await self._work.run("select pg_advisory_xact_lock($1)", SAMPLE_COLLISIONS)
                placed = place(samples, await self._taken(placed))
            except asyncpg.CheckViolationError:
                await PartitionStore(self._work).ensure(SAMPLES, [each.ts for each in placed])
            else:
                return placed
        raise SampleCollisionError(f"after {MAX_TRIES} tries {len(samples)} samples still collide with others")

    async def list_for_job(self, job_id: UUID, after_position: int = -1, *, limit: int) -> list[JobSample]:
        """What the job found at the targets behind `after_position`, in their order."""
        rows = await self._work.fetch(
            """
            select j.position, j.series_id, s.name, s.kind, j.outcome, j.duration_ms, p.extras, j.code, j.message, j.ts
            from job_samples j join series s using (series_id)
            left join lateral (
                select extras from sample where series_id = j.series_id and ts = j.ts union all
                select extras from sample_late where series_id = j.series_id and ts = j.ts
            ) p on true
            where j.job_id = $1 and j.position > $2 order by j.position limit $3
            """,
            job_id,
            after_position,
            limit,
        )
        packed = await find_packed_metrics(self._work, [(row.series_id, row.ts) for row in rows if row.extras is None])
        return [
            JobSample(
                position=row.position,
                target=row.name,
                outcome=OUTCOME_OF_CODE[row.outcome],
                duration_ms=row.duration_ms,
                metrics=unpack_metrics(row.kind, row.extras or packed.get((row.series_id, row.ts))),
                code=row.code,
                message=row.message,
                collected_at=row.ts,
            )
            for row in rows
        ]

    async def _taken(self, placed: Sequence[PlacedSample]) -> dict[int, set[int]]:
        """The milliseconds that are taken near the samples, per series."""
        spans = [(series_id, list(group)) for series_id, group in groupby(placed, key=lambda each: each.series_id)]
        rows = await self._work.fetch(
            """
            select p.series_id, p.ts from unnest($1::int4[], $2::timestamptz[], $3::timestamptz[]) w(id, first, last)
            join sample p on p.series_id = w.id and p.ts between w.first and w.last
            """,
            [series_id for series_id, _ in spans],
            [group[0].ts for _, group in spans],
            [group[-1].ts + SLACK for _, group in spans],
        )
        taken: dict[int, set[int]] = {}
        for row in rows:
            taken.setdefault(row.series_id, set()).add(milliseconds_of(row.ts))
        return taken

    async def _mark_late(self, placed: Sequence[PlacedSample], *, before: datetime) -> None:
        """Mark the hours behind the watermark that got a sample, so that their roll-ups are computed again."""
        before_ms = milliseconds_of(before)
        late = sorted({(each.series_id, each.hour) for each in placed if each.ts_ms < before_ms})
        if late:
            await self._work.run(
                "insert into rollup_dirty (series_id, bucket) select * from unnest($1::int4[], $2::timestamptz[])",
                [series_id for series_id, _ in late],
                [hour for _, hour in late],
            )

    async def _update_current(self, placed: Sequence[PlacedSample]) -> None:
        """Set the newest state of each series; `since` stays where the outcome stayed.

        A series whose outcome changed within the batch is brought to the state before its last run first, together with
        all others in ascending order: so every row is locked in the same order by all writers, and none deadlock.
        """
        first, second = [], []
        for _, group in groupby(placed, key=lambda each: each.series_id):
            states = list(group)
            start = start_of_last_run(states)
            if start:
                first.append((states[start - 1], states[start - 1].ts))
                second.append((states[-1], states[start].ts))
            else:
                first.append((states[-1], states[0].ts))
        await self._upsert_current(first)
        await self._upsert_current(second)

    async def _upsert_current(self, states: Sequence[tuple[PlacedSample, datetime]]) -> None:
        if not states:
            return
        await self._work.run(
            """
            insert into series_current as w (series_id, ts, value, outcome, since)
            select * from unnest($1::int4[], $2::timestamptz[], $3::float8[], $4::int2[], $5::timestamptz[])
            on conflict (series_id) do update
            set ts = excluded.ts, value = excluded.value, outcome = excluded.outcome,
                since = case when w.outcome = excluded.outcome then w.since else excluded.since end
            where w.ts < excluded.ts
            """,
            [newest.series_id for newest, _ in states],
            [newest.ts for newest, _ in states],
            [newest.value for newest, _ in states],
            [newest.sample.reading.outcome.code for newest, _ in states],
            [since for _, since in states],
        )

    async def _copy_job_samples(self, placed: Sequence[PlacedSample]) -> None:
        driver = await self._work.driver()
        await driver.copy_records_to_table(
            "job_samples",
            records=[
                (
                    each.sample.job_id,
                    each.sample.position,
                    each.series_id,
                    each.ts,
                    each.value,
                    each.sample.reading.outcome.code,
                    storable_or_none(each.sample.reading.code),
                    storable_or_none(each.sample.reading.message),
                )
                for each in placed
            ],
            columns=("job_id", "position", "series_id", "ts", "duration_ms", "outcome", "code", "message"),
        )


def start_of_last_run(states: Sequence[PlacedSample]) -> int:
    """Where the last run of equal outcomes starts in one series' samples, 0 when all are equal."""
    outcome = states[-1].sample.reading.outcome
    start = len(states) - 1
    while start and states[start - 1].sample.reading.outcome is outcome:
        start -= 1
    return start
