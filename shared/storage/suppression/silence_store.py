"""Silences as they are kept, and how many alerts they match."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row

from shared.domain.matchers import Matchers, parse_matchers
from shared.domain.suppression.silences import Silence, SilenceState
from shared.storage.advisory_locks import SUPPRESSIONS
from shared.storage.database import UnitOfWork
from shared.storage.matcher_sql import plain_terms_of

COUNTED_AT_MOST = 10_000
"""How many firing alerts are looked at for a count."""

_STATE = "case when ends_at <= $1 then 'expired' when starts_at > $1 then 'pending' else 'active' end"


class SilenceStore:
    """Silences within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def count_live(self, *, now: datetime) -> int:
        """How many have not expired; nobody else adds one until the end of this unit of work."""
        await self._work.run("select pg_advisory_xact_lock($1)", SUPPRESSIONS)
        rows = await self._work.fetch("select count(*) as live from silences where ends_at > $1", now)
        return int(rows[0].live)

    async def insert(self, silence: Silence) -> None:
        """Keep a new one."""
        await self._work.run(
            """
            insert into silences (silence_id, matchers, starts_at, ends_at, comment, created_at, created_by)
            values ($1, $2, $3, $4, $5, $6, $7)
            """,
            silence.silence_id,
            str(silence.matchers),
            silence.starts_at,
            silence.ends_at,
            silence.comment,
            silence.created_at,
            silence.created_by,
        )

    async def find(self, silence_id: UUID) -> Silence | None:
        """The one with this id, if there is one."""
        return _first_of(await self._work.fetch("select * from silences where silence_id = $1", silence_id))

    async def lock(self, silence_id: UUID) -> Silence | None:
        """The same, its row locked."""
        rows = await self._work.fetch("select * from silences where silence_id = $1 for update", silence_id)
        return _first_of(rows)

    async def update(self, silence: Silence) -> None:
        """Write what people may change of a locked one."""
        await self._work.run(
            "update silences set matchers = $2, starts_at = $3, ends_at = $4, comment = $5 where silence_id = $1",
            silence.silence_id,
            str(silence.matchers),
            silence.starts_at,
            silence.ends_at,
            silence.comment,
        )

    async def list_page(
        self, states: Sequence[SilenceState], *, now: datetime, after: UUID | None, limit: int
    ) -> list[Silence]:
        """At most `limit` in any of the states, or in any at all, the newest first; those behind the one `after`."""
        rows = await self._work.fetch(
            f"""
            select * from silences where ($2::text[] = '{{}}' or {_STATE} = any($2::text[]))
              and ($3::uuid is null or silence_id < $3) order by silence_id desc limit $4
            """,
            now,
            [state.value for state in states],
            after,
            limit,
        )
        return [_silence_of(row) for row in rows]

    async def count_firing(self, matchers: Matchers) -> int:
        """How many firing alerts match now, of `COUNTED_AT_MOST` at most."""
        rows = await self._work.fetch(
            """
            select labels::text as labels from alerts
            where state = 'firing' and labels @> $1::text::jsonb limit $2
            """,
            plain_terms_of(matchers),
            COUNTED_AT_MOST,
        )
        return sum(matchers.matches(msgspec.json.decode(row.labels)) for row in rows)

    async def forget(self, *, before: datetime, limit: int) -> int:
        """Delete at most `limit` that expired before a moment; how many were."""
        written = await self._work.run(
            """
            delete from silences where silence_id in (
                select silence_id from silences where ends_at < $1 order by ends_at limit $2 for update skip locked)
            """,
            before,
            limit,
        )
        return written.rowcount


def _first_of(rows: Sequence[Row[Any]]) -> Silence | None:
    return _silence_of(rows[0]) if rows else None


def _silence_of(row: Row[Any]) -> Silence:
    return Silence(
        silence_id=row.silence_id,
        matchers=parse_matchers(row.matchers),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        comment=row.comment,
        created_at=row.created_at,
        created_by=row.created_by,
    )
