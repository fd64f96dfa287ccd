"""Inhibitions and dependencies as they are kept."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.alert.inhibitions import MAX_INHIBITIONS, Inhibition
from shared.domain.alert.matchers import parse_matchers
from shared.storage.database import UnitOfWork


class InhibitionStore:
    """Inhibitions within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_all(self) -> list[Inhibition]:
        """All there are, in the order of their names; a bounded number."""
        return _inhibitions_of(
            await self._work.fetch("select * from inhibitions order by name limit $1", MAX_INHIBITIONS)
        )

    async def find(self, inhibition_id: UUID) -> Inhibition | None:
        """The one with this id, if there is one."""
        found = await self._work.fetch("select * from inhibitions where inhibition_id = $1", inhibition_id)
        return _inhibition_of(found[0]) if found else None


def _inhibitions_of(rows: Sequence[Row[Any]]) -> list[Inhibition]:
    return [_inhibition_of(row) for row in rows]


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
