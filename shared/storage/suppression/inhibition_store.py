"""Inhibitions and dependencies as they are kept."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.matchers import Matchers, parse_matchers
from shared.domain.suppression.inhibitions import MAX_INHIBITIONS, Inhibition
from shared.storage.advisory_locks import SUPPRESSIONS
from shared.storage.database import UnitOfWork


class InhibitionStore:
    """Inhibitions within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_all(self) -> list[Inhibition]:
        """All there are, in the order of their names; a bounded number."""
        rows = await self._work.fetch("select * from inhibitions order by name limit $1", MAX_INHIBITIONS)
        return [_inhibition_of(row) for row in rows]

    async def find(self, inhibition_id: UUID) -> Inhibition | None:
        """The one with this id, if there is one."""
        found = await self._work.fetch("select * from inhibitions where inhibition_id = $1", inhibition_id)
        return _inhibition_of(found[0]) if found else None

    async def lock_all(self) -> None:
        """Let nobody else make or replace one until the end of this unit of work: names and the bound stay true."""
        await self._work.run("select pg_advisory_xact_lock($1)", SUPPRESSIONS)

    async def is_full(self) -> bool:
        """Whether there are as many as may be."""
        rows = await self._work.fetch("select count(*) as held from inhibitions")
        return bool(rows[0].held >= MAX_INHIBITIONS)

    async def put(self, inhibition: Inhibition) -> bool:
        """Keep a new one, or what another one of the same id has become; False when its name is another one's."""
        rows = await self._work.fetch(
            """
            insert into inhibitions (inhibition_id, name, source, depends_on, target, equal, created_at, created_by)
            select $1, $2, $3, $4, $5, $6, $7, $8
            where not exists (select from inhibitions where name = $2 and inhibition_id <> $1)
            on conflict (inhibition_id) do update
            set name = excluded.name, source = excluded.source, depends_on = excluded.depends_on,
                target = excluded.target, equal = excluded.equal
            returning inhibition_id
            """,
            inhibition.inhibition_id,
            inhibition.name,
            _text_of(inhibition.source),
            _text_of(inhibition.depends_on),
            str(inhibition.target),
            list(inhibition.equal),
            inhibition.created_at,
            inhibition.created_by,
        )
        return bool(rows)

    async def delete(self, inhibition_id: UUID) -> bool:
        """Delete one; False when there was none."""
        rows = await self._work.fetch(
            "delete from inhibitions where inhibition_id = $1 returning inhibition_id", inhibition_id
        )
        return bool(rows)


def _text_of(matchers: Matchers | None) -> str | None:
    return None if matchers is None else str(matchers)


def _inhibition_of(row: Row[Any]) -> Inhibition:
    return Inhibition(
        inhibition_id=row.inhibition_id,
        name=row.name,
        source=None if row.source is None else parse_matchers(row.source),
        depends_on=None if row.depends_on is None else parse_matchers(row.depends_on),
        target=parse_matchers(row.target),
        equal=tuple(row.equal),
        created_at=row.created_at,
        created_by=row.created_by,
    )
