"""How far roll-ups have come, read and moved."""

from shared.domain.sample.segments import Horizon
from shared.storage.database import UnitOfWork

_READ = (
    "select claimed_at, hours_computed_at, days_computed_at, samples_from, hours_from, chunked_until, closed_until,"
    " corrections from rollup_state"
)


async def read_rollup_state(work: UnitOfWork) -> Horizon:
    """The watermarks; the first reader of a new database sets them to this hour, by the database's clock."""
    rows = await work.fetch(_READ)
    if not rows:
        await work.run(
            "insert into rollup_state (claimed_at, hours_computed_at, days_computed_at) select"
            " date_trunc('hour', now(), 'UTC'), date_trunc('hour', now(), 'UTC'), date_trunc('day', now(), 'UTC')"
            " on conflict do nothing"
        )
        rows = await work.fetch(_READ)
    row = rows[0]
    return Horizon(
        claimed_at=row.claimed_at,
        hours_computed_at=row.hours_computed_at,
        days_computed_at=row.days_computed_at,
        samples_from=row.samples_from,
        hours_from=row.hours_from,
        chunked_until=row.chunked_until,
        closed_until=row.closed_until,
        corrections=row.corrections,
    )
