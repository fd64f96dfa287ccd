"""Jobs and those that came of them: children, their children, and so on."""

from uuid import UUID

from shared.domain.job.leases import JobChange
from shared.storage.database import UnitOfWork
from shared.storage.job.job_store import CANCEL, change_of
from shared.storage.tables.jobs import LIVE_LIST

_IS_TELLING = "(kind = 'notify' and spec ? 'event')"
"""The notification of an end is a child too, but what it tells has happened."""


class FamilyStore:
    """Moves families of jobs within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def cancel_descendants(self, job_id: UUID, *, limit: int) -> list[JobChange]:
        """Cancel up to `limit` of the waiting jobs that came of this one, and ask the workers of running ones to stop.

        Those that were asked before, and the notifications of ends, are left as they are.
        """
        rows = await self._work.fetch(
            f"""
            with recursive family as (
                select job_id from jobs where parent_id = $1 and not {_IS_TELLING}
                union
                select child.job_id from jobs child join family on child.parent_id = family.job_id
                where not {_IS_TELLING}
            ), live as (
                select j.job_id from jobs j join family using (job_id)
                where state in ({LIVE_LIST}) and not (state = 'running' and cancel_requested_at is not null)
                order by j.job_id limit $2 for no key update of j
            )
            update jobs set {CANCEL} from live where jobs.job_id = live.job_id
            returning jobs.job_id, jobs.version, jobs.state, jobs.kind
            """,
            job_id,
            limit,
        )
        return [change_of(row) for row in rows]
