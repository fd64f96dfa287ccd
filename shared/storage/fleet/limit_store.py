"""The limits that jobs share by a key, and how many of their jobs run and wait."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from shared.domain.fleet.limits import Limit, Rate, Standing
from shared.storage.database import UnitOfWork
from shared.storage.tables.jobs import PLACE_TAKEN

COUNT_AT_MOST = 10_000
"""How many jobs of a key are counted at most for people to see."""

_LIMIT_COLUMNS = "limit_key, max_running, rate_max, rate_seconds, rate_tat"
IS_HELD = "blocked_by in ('concurrency', 'rate')"
"""What a query has to say to be answered by the index of what limits hold back."""


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """A limit, and how many of its jobs run and are held back, counted up to a bound."""

    limit: Limit
    running: int
    blocked: int
    updated_at: datetime

    @property
    def is_estimate(self) -> bool:
        """Whether there may be more than were counted."""
        return max(self.running, self.blocked) >= COUNT_AT_MOST


class LimitStore:
    """Reads and writes limits within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def lock(self, keys: Sequence[str]) -> dict[str, Limit]:
        """The limits there are among `keys`, locked in one order for everybody.

        Who locks limits has locked the rows of jobs before, or skips those that others hold: no two wait for each
        other.
        """
        rows = await self._work.fetch(
            f"select {_LIMIT_COLUMNS} from limits where limit_key = any($1::text[]) order by limit_key for update",
            list(keys),
        )
        return {row.limit_key: _limit_of(row) for row in rows}

    async def find(self, keys: Sequence[str]) -> dict[str, Limit]:
        """The limits there are among `keys`."""
        rows = await self._work.fetch(
            f"select {_LIMIT_COLUMNS} from limits where limit_key = any($1::text[])", list(keys)
        )
        return {row.limit_key: _limit_of(row) for row in rows}

    async def standings(self, keys: Sequence[str]) -> dict[str, Standing]:
        """How the jobs of the keys stand, counted from the jobs themselves: a counter could drift."""
        rows = await self._work.fetch(
            f"""
            select k.limit_key, clock_timestamp() as now,
                   (select count(*) from jobs where limit_key = k.limit_key and {PLACE_TAKEN}
                      and state = 'running') as running,
                   (select count(*) from jobs where limit_key = k.limit_key and {PLACE_TAKEN}
                      and state = 'queued' and blocked_by is null and place_until > now()) as promised,
                   exists (select from jobs where limit_key = k.limit_key and {IS_HELD}) as has_blocked
            from unnest($1::text[]) as k (limit_key)
            """,
            list(keys),
        )
        return {row.limit_key: Standing(row.running, row.promised, row.has_blocked, row.now) for row in rows}

    async def set_arrivals(self, tats: Mapping[str, datetime | None]) -> None:
        """Write when the next start of each key is due; the limits are locked."""
        await self._work.run(
            """
            update limits set rate_tat = t.tat from unnest($1::text[], $2::timestamptz[]) as t (limit_key, tat)
            where limits.limit_key = t.limit_key
            """,
            list(tats),
            list(tats.values()),
        )

    async def put(self, limit: Limit) -> bool:
        """Set what is allowed to a key; True when it had no limit before. Another rate begins with a whole burst."""
        rows = await self._work.fetch(
            """
            insert into limits (limit_key, max_running, rate_max, rate_seconds) values ($1, $2, $3, $4)
            on conflict (limit_key) do update
            set max_running = excluded.max_running, rate_max = excluded.rate_max,
                rate_seconds = excluded.rate_seconds, updated_at = now(),
                rate_tat = case when (limits.rate_max, limits.rate_seconds)
                                     is not distinct from (excluded.rate_max, excluded.rate_seconds)
                           then limits.rate_tat end
            returning xmax = 0 as is_new
            """,
            limit.key,
            limit.max_running,
            limit.rate.max if limit.rate else None,
            limit.rate.per.total_seconds() if limit.rate else None,
        )
        return bool(rows[0].is_new)

    async def delete(self, key: str) -> bool:
        """Lift the limit of a key; False when it had none."""
        return bool(await self._work.fetch("delete from limits where limit_key = $1 returning limit_key", key))

    async def list_status(self, *, after: str, limit: int) -> list[LimitStatus]:
        """At most `limit` limits in the order of their keys, those behind the key `after`."""
        return await self._statuses("limit_key > $1 order by limit_key limit $2", after, limit)

    async def find_status(self, key: str) -> LimitStatus | None:
        """The limit of a key, if it has one."""
        found = await self._statuses("limit_key = $1 limit $2", key, 1)
        return found[0] if found else None

    async def _statuses(self, where: str, key: str, limit: int) -> list[LimitStatus]:
        rows = await self._work.fetch(
            f"""
            select {_LIMIT_COLUMNS}, updated_at,
                   (select count(*) from (select from jobs where limit_key = l.limit_key and {PLACE_TAKEN}
                                            and state = 'running' limit $3) r) as running,
                   (select count(*) from (select from jobs where limit_key = l.limit_key and {IS_HELD} limit $3) b
                   ) as blocked
            from (select {_LIMIT_COLUMNS}, updated_at from limits where {where}) l order by limit_key
            """,
            key,
            limit,
            COUNT_AT_MOST,
        )
        return [LimitStatus(_limit_of(row), row.running, row.blocked, row.updated_at) for row in rows]


def _limit_of(row: Row[Any]) -> Limit:
    rate = None if row.rate_max is None else Rate(row.rate_max, timedelta(seconds=row.rate_seconds))
    return Limit(key=row.limit_key, max_running=row.max_running, rate=rate, tat=row.rate_tat)
