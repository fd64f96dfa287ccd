"""Groups failed jobs by fingerprint, one step in the index from each to the next: never a walk over jobs."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from shared.domain.job.error_groups import ErrorGroup, GroupVersions
from shared.domain.job.jobs import JobKind
from shared.storage.database import UnitOfWork

MAX_FINGERPRINTS = 1_000
"""The most fingerprints that are looked at."""
MAX_COUNT = 10_000
"""The most failures of one group that are counted."""
SAMPLE = 20
"""How many of a group's first and of its last failures are asked for their workers' versions."""

# A recursive step is one probe of the index on failed jobs: distinct values without reading all there are.
_GROUPS = f"""
with recursive found as (
    (select error_fingerprint as fingerprint, 1 as number from jobs
     where state = 'failed' and error_fingerprint is not null order by error_fingerprint limit 1)
    union all
    select (select j.error_fingerprint from jobs j where j.state = 'failed' and j.error_fingerprint > f.fingerprint
            order by j.error_fingerprint limit 1), f.number + 1
    from found f where f.fingerprint is not null and f.number <= {MAX_FINGERPRINTS}
)
select f.fingerprint, last.kind, last.error->>'code' as code, last.error->>'message' as message, last.job_id,
       last.finished_at as last_seen_at, first.finished_at as first_seen_at, counted.n as found_count
from found f
cross join lateral (select j.kind, j.error, j.job_id, j.finished_at from jobs j
                    where j.state = 'failed' and j.error_fingerprint = f.fingerprint and j.finished_at >= $1
                    order by j.finished_at desc limit 1) last
cross join lateral (select j.finished_at from jobs j where j.state = 'failed' and j.error_fingerprint = f.fingerprint
                    order by j.finished_at limit 1) first
cross join lateral (select count(*) as n from (
                        select from jobs j where j.state = 'failed' and j.error_fingerprint = f.fingerprint
                                             and j.finished_at >= $1 limit {MAX_COUNT} + 1) seen) counted
where ($2::text is null or last.kind = $2)
order by counted.n desc, last.finished_at desc, f.fingerprint limit $3
"""


class ErrorStore:
    """Reads failures within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_groups(self, *, since: datetime, kind: JobKind | None, limit: int) -> list[ErrorGroup]:
        """The groups with a failure since then, the largest first."""
        rows = await self._work.fetch(_GROUPS, since, kind.value if kind else None, limit)
        return [
            ErrorGroup(
                fingerprint=row.fingerprint,
                kind=JobKind(row.kind),
                code=row.code,
                message=row.message,
                job_id=row.job_id,
                count=min(row.found_count, MAX_COUNT),
                is_count_cut=row.found_count > MAX_COUNT,
                first_seen_at=row.first_seen_at,
                last_seen_at=row.last_seen_at,
            )
            for row in rows
        ]

    async def has_failed(self, fingerprint: str) -> bool:
        """Whether any job is kept that failed so."""
        rows = await self._work.fetch(
            "select 1 from jobs where state = 'failed' and error_fingerprint = $1 limit 1", fingerprint
        )
        return bool(rows)

    async def find_versions(self, groups: Sequence[ErrorGroup]) -> dict[str, GroupVersions]:
        """The workers' versions of each group, from its first and last failures, and from jobs that ended before."""
        rows = await self._work.fetch(
            f"""
            with asked as (select * from unnest($1::text[], $2::timestamptz[]) g (fingerprint, since))
            select g.fingerprint, false as is_before, a.worker_version as version, count(*) as n
            from asked g
            cross join lateral (
                (select job_id from jobs where state = 'failed' and error_fingerprint = g.fingerprint
                 order by finished_at limit {SAMPLE})
                union
                (select job_id from jobs where state = 'failed' and error_fingerprint = g.fingerprint
                 order by finished_at desc limit {SAMPLE})
            ) j
            join job_attempts a on a.job_id = j.job_id and a.fingerprint = g.fingerprint
            where a.worker_version is not null
            group by g.fingerprint, a.worker_version
            union all
            select g.fingerprint, true, a.worker_version, count(*)
            from asked g
            cross join lateral (
                select job_id from jobs
                where state in ('cancelled', 'expired', 'failed', 'succeeded') and finished_at < g.since
                order by finished_at desc limit {SAMPLE}) j
            join job_attempts a on a.job_id = j.job_id
            where a.worker_version is not null
            group by g.fingerprint, a.worker_version
            """,
            [group.fingerprint for group in groups],
            [group.first_seen_at for group in groups],
        )
        versions: dict[str, Counter[str]] = {group.fingerprint: Counter() for group in groups}
        before: dict[str, set[str]] = {group.fingerprint: set() for group in groups}
        for row in rows:
            if row.is_before:
                before[row.fingerprint].add(row.version)
            else:
                versions[row.fingerprint][row.version] = row.n
        return {name: GroupVersions(counts, frozenset(before[name])) for name, counts in versions.items()}
