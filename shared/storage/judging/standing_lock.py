"""How monitors stand, as judging needs it, locked: who holds a monitor's state is alone in judging it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.judging.judgements import Stands
from shared.domain.monitor.standing import STATE_OF_CODE, Cause
from shared.storage.database import UnitOfWork

_READ = """
    select s.monitor_id, s.state, s.since, s.sampled_at, s.covered_until, s.code, s.message, now() as now
    from monitor_states s
    where s.monitor_id = any($1::uuid[]) order by s.monitor_id for no key update
"""


async def lock_standings(work: UnitOfWork, monitor_ids: Sequence[UUID]) -> dict[UUID, Stands | None]:
    """How these monitors stand, locked in the order of their ids; None of those that are not there."""
    rows = await work.fetch(_READ, list(monitor_ids)) if monitor_ids else ()
    found = {row.monitor_id: _stands_of(row) for row in rows}
    return {monitor_id: found.get(monitor_id) for monitor_id in monitor_ids}


async def lock_free_standings(work: UnitOfWork, monitor_ids: Sequence[UUID]) -> dict[UUID, Stands]:
    """How those of these monitors stand that nobody else has locked."""
    rows = await work.fetch(f"{_READ} skip locked", list(monitor_ids))
    return {row.monitor_id: _stands_of(row) for row in rows}


def _stands_of(row: Row[Any]) -> Stands:
    cause = Cause(row.code, row.message)
    return Stands(row.now, STATE_OF_CODE[row.state], row.since, row.sampled_at, cause, row.covered_until)
