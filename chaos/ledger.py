"""The reckoning: what was promised, what the database holds and what the outside world saw, held against each other."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg

TERMINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})


@dataclass(frozen=True, slots=True)
class Record:
    """A job as the database holds it, its attempts' outcomes in order.

    Each collect job here has one target that no other has, so that its series holds all samples it ever wrote.
    """

    job_id: UUID
    kind: str
    state: str
    error: str | None
    dispatches: int
    outcomes: tuple[str, ...]
    samples: int


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What was found: each fault with the job it befell, and the figures of the line."""

    lost: Mapping[UUID, str]
    doubled: Mapping[UUID, str]
    jobs: int
    outcomes: Counter[str]
    """How all attempts ended."""
    poisoned: int
    redispatched: int
    visits: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost and nothing was doubled."""
        return not self.lost and not self.doubled

    @property
    def fenced(self) -> int:
        """How many results came too late and were thrown away."""
        return self.outcomes["fenced"]

    def line(self, seconds: float) -> str:
        """The whole run in one line."""
        return (
            f"lost {len(self.lost)} · doubled {len(self.doubled)} · fenced {self.fenced} · rerung {self.redispatched}"
            f" · visits {self.visits} · jobs {self.jobs} · in {seconds:.0f} s"
        )


def reckon(accepted: Collection[UUID], records: Mapping[UUID, Record], visits: Mapping[UUID, int]) -> Reckoning:
    """Judge each job that was accepted, and each that is there; `visits` is what the world counted for each."""
    lost = {job_id: why for job_id in accepted if (why := why_lost(records.get(job_id), visits.get(job_id, 0)))}
    doubled = {
        job_id: why
        for job_id, record in records.items()
        if (why := why_doubled(record, visits.get(job_id, 0), is_accepted=job_id in accepted))
    }
    return Reckoning(
        lost=lost,
        doubled=doubled,
        jobs=len(records),
        outcomes=Counter(outcome for record in records.values() for outcome in record.outcomes),
        poisoned=sum(record.error == "crash_loop" for record in records.values()),
        redispatched=sum(record.dispatches - 1 for record in records.values()),
        visits=sum(visits.values()),
    )


def why_lost(record: Record | None, visits: int) -> str | None:
    """Why an accepted job is lost, if it is: no row, no end, or an end that nothing was done for."""
    if record is None:
        return "accepted, and there is no row"
    if record.state not in TERMINAL:
        return f"never ended, is {record.state} after {record.outcomes}"
    if record.state == "succeeded" and record.kind == "collect" and record.samples == 0:
        return "succeeded without a sample"
    if record.state == "succeeded" and visits == 0:
        return "succeeded, and nobody came"
    if record.state == "failed" and record.error != "crash_loop":
        return f"failed in a world that answers, by {record.error} after {record.outcomes}"
    return None


def why_doubled(record: Record, visits: int, *, is_accepted: bool) -> str | None:
    """Why a job counts twice, if it does: made twice, recorded twice, or done more often than its attempts tell."""
    if not is_accepted:
        return "made twice for one idempotency key"
    if record.outcomes.count("succeeded") > 1:
        return f"succeeded more than once: {record.outcomes}"
    if record.samples > 1:
        return f"{record.samples} samples of one target"
    if visits > len(record.outcomes):
        return f"{visits} visits, and attempts only {record.outcomes}"
    return None


_RECORDS = """
select j.job_id, j.kind, j.state, j.error->>'code' as error, j.dispatch_no as dispatches,
       coalesce(a.outcomes, '{}') as outcomes, coalesce(s.samples, 0) as samples
from jobs j
left join (select job_id, array_agg(outcome order by attempt, dispatch_no) as outcomes
           from job_attempts group by job_id) a on a.job_id = j.job_id
left join (select t.job_id, count(*) as samples from job_samples t join sample using (series_id) group by t.job_id) s
       on s.job_id = j.job_id
where j.kind <> 'round' and not j.spec ? 'notice'
"""


async def read_records(database_url: str) -> dict[UUID, Record]:
    """All jobs that were submitted, by a connection of the auditor's own."""
    connection = await asyncpg.connect(database_url, timeout=30)
    try:
        rows = await connection.fetch(_RECORDS, timeout=300)
    finally:
        await connection.close()
    records = [Record(**dict(row) | {"outcomes": tuple(row["outcomes"])}) for row in rows]
    return {record.job_id: record for record in records}


async def count_live(database_url: str) -> int:
    """How many submitted jobs have not ended; rounds of monitors go on for ever, and notices as long as they flap."""
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        live: int = await connection.fetchval(
            "select count(*) from jobs where state in ('scheduled', 'queued', 'running', 'retrying')"
            " and kind <> 'round' and not spec ? 'notice'",
            timeout=30,
        )
        return live
    finally:
        await connection.close()
