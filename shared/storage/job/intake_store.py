"""Taking jobs in: plain ones by one statement, those with a unique key or a parent only where nothing forbids it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.domain.job.jobs import NewJob
from shared.storage.database import UnitOfWork
from shared.storage.job.job_store import INSERT_JOBS, JobStore, insert_values
from shared.storage.tables.jobs import LIVE_LIST

MAX_TRIES = 10
"""How often a key is tried that is held when the job is inserted and free when its holder is looked for."""


@dataclass(frozen=True, slots=True)
class Intake:
    """Which jobs were not taken: those whose unique key another live job holds, and those whose parent is unknown."""

    holders: Mapping[UUID, UUID] = field(default_factory=dict)
    """The holder's id by the id of the job that was not taken."""
    orphans: frozenset[UUID] = frozenset()


class UnsettledKeyError(Exception):
    """A unique key changed hands faster than its holder could be found."""


class IntakeStore:
    """Adds jobs within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def add(self, jobs: Sequence[NewJob], *, now: datetime) -> Intake:
        """Add the jobs but those that another one's unique key or a missing parent forbids.

        Of two that share a unique key the first one is taken.

        Raises:
            UnsettledKeyError: whether a key is held could not be told; nothing is to be committed.
        """
        parents = {job.parent_id for job in jobs if job.parent_id is not None}
        orphans: frozenset[UUID] = frozenset()
        if parents:
            orphans = await self._lock_parents(jobs, parents)
            jobs = [job for job in jobs if job.job_id not in orphans]
        plain = [job for job in jobs if job.unique_key is None]
        if plain:
            await JobStore(self._work).insert(plain, now=now)
        unique = [job for job in jobs if job.unique_key is not None]
        return Intake(await self._add_unique(unique, now=now) if unique else {}, orphans)

    async def _lock_parents(self, jobs: Sequence[NewJob], parents: set[UUID]) -> frozenset[UUID]:
        """The jobs whose parent is unknown; the other parents can be changed but not removed until the commit.

        The foreign key's check would lock them too, and fail the whole statement for one that is being removed.
        """
        rows = await self._work.fetch(
            "select job_id from jobs where job_id = any($1::uuid[]) order by job_id for key share", list(parents)
        )
        missing = parents - {row.job_id for row in rows}
        return frozenset(job.job_id for job in jobs if job.parent_id in missing)

    async def _add_unique(self, jobs: Sequence[NewJob], *, now: datetime) -> dict[UUID, UUID]:
        """Add the jobs whose key is free; answer the holders of the others' keys."""
        holders: dict[UUID, UUID] = {}
        left = {job.job_id: job for job in jobs}
        for _ in range(MAX_TRIES):
            first_of_key = {job.unique_key: job for job in reversed(left.values())}
            for added in await self._insert_free(list(first_of_key.values()), now=now):
                del left[added]
            if not left:
                return holders
            held = await self._find_holders([job.unique_key for job in left.values()])
            holders |= {job.job_id: held[job.unique_key] for job in left.values() if job.unique_key in held}
            left = {job_id: job for job_id, job in left.items() if job_id not in holders}
            if not left:
                return holders
        raise UnsettledKeyError

    async def _insert_free(self, jobs: Sequence[NewJob], *, now: datetime) -> list[UUID]:
        """One order of keys in every transaction: two that wait for each other's keys would never end."""
        rows = await self._work.fetch(
            f"""
            {INSERT_JOBS}
            order by unique_key
            on conflict (unique_key) where unique_key is not null and state in ({LIVE_LIST}) do nothing
            returning job_id
            """,
            *insert_values(jobs, now=now),
        )
        return [row.job_id for row in rows]

    async def _find_holders(self, keys: Sequence[str | None]) -> dict[str | None, UUID]:
        rows = await self._work.fetch(
            f"select job_id, unique_key from jobs where unique_key = any($1::text[]) and state in ({LIVE_LIST})", keys
        )
        return {row.unique_key: row.job_id for row in rows}
