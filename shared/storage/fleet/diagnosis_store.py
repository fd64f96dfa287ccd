"""What the doctor asks PostgreSQL: of itself, and of the jobs that upkeep would not leave lying."""

from datetime import datetime

from shared.domain.fleet.job_diagnosis import JobFacts
from shared.domain.fleet.server_diagnosis import DatabaseFacts
from shared.storage.database import UnitOfWork
from shared.storage.schema import find_revision_in


class DiagnosisStore:
    """Reads facts within one unit of work, all by an index or from the catalogue."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def database_now(self) -> datetime:
        """The database's clock."""
        rows = await self._work.fetch("select clock_timestamp() as now")
        now: datetime = rows[0].now
        return now

    async def read_database(self, *, skew_seconds: float) -> DatabaseFacts:
        """What the database says of itself."""
        rows = await self._work.fetch(
            """
            select current_setting('server_version_num')::int as version_num,
                   'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1) as version,
                   current_setting('max_connections')::int as max_connections,
                   (select count(*)::int from pg_stat_activity where datname is not null) as connections,
                   current_setting('autovacuum')::bool as has_autovacuum,
                   coalesce(max(n_dead_tup), 0)::int8 as dead_rows, coalesce(max(n_live_tup), 0)::int8 as live_rows
            from pg_stat_user_tables where relid = to_regclass('jobs')
            """
        )
        return DatabaseFacts(
            **rows[0]._mapping,  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
            revision=await find_revision_in(self._work),
            skew_seconds=skew_seconds,
        )

    async def read_jobs(self) -> JobFacts:
        """What waits for upkeep, and what is held back; needs the present schema."""
        rows = await self._work.fetch(
            """
            select (select coalesce(extract(epoch from now() - min(updated_at)), 0)::float8 from jobs
                    where state = 'queued' and blocked_by is null and dispatched_at is null) as oldest_unrung_seconds,
                   coalesce(extract(epoch from now() - min(lease_expires_at)), 0)::float8
                       as oldest_overdue_lease_seconds,
                   count(*)::int as expired_leases
            from jobs where state = 'running' and lease_expires_at < now()
            """
        )
        blocked = await self._work.fetch(
            "select blocked_by, count(*)::int as jobs from jobs where blocked_by is not null group by blocked_by"
        )
        paused = await self._work.fetch("select queue from queues where paused_at is not null order by queue")
        return JobFacts(
            **rows[0]._mapping,  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
            blocked={row.blocked_by: row.jobs for row in blocked},
            paused_queues=[row.queue for row in paused],
        )
