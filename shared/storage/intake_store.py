"""Taking jobs in: plain ones by one statement, those with a unique key or a parent only where nothing forbids it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.domain.jobs import LIVE_STATES, NewJob
from shared.storage.database import UnitOfWork
from shared.storage.job_store import INSERT_JOBS, JobStore, insert_values
from shared.storage.tables.jobs import in_list

_LIVE = in_list([state.value for state in LIVE_STATES])
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
            orphans = await self._find_orphans(jobs, parents)
            # In their parents' order, because the foreign key's check locks those.
            jobs = sorted((job for job in jobs if job.job_id not in orphans), key=_parent_of)
        plain = [job for job in jobs if job.unique_key is None]
        if plain:
            await JobStore(self._work).insert(plain, now=now)
        unique = [job for job in jobs if job.unique_key is not None]
        return Intake(await self._add_unique(unique, now=now) if unique else {}, orphans)

    async def _find_orphans(self, jobs: Sequence[NewJob], parents: set[UUID]) -> frozenset[UUID]:
        # A parent that is removed after this is caught by the foreign key, which fails the whole statement.
        rows = await self._work.fetch("select job_id from jobs where job_id = any($1::uuid[])", list(parents))
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
            on conflict (unique_key) where unique_key is not null and state in ({_LIVE}) do nothing
            returning job_id
            """,
            *insert_values(jobs, now=now),
        )
        return [row.job_id for row in rows]

    async def _find_holders(self, keys: Sequence[str | None]) -> dict[str | None, UUID]:
        rows = await self._work.fetch(
            f"select job_id, unique_key from jobs where unique_key = any($1::text[]) and state in ({_LIVE})", keys
        )
        return {row.unique_key: row.job_id for row in rows}


def _parent_of(job: NewJob) -> int:
    return job.parent_id.int if job.parent_id else 0
