"""When somebody was there to be pinged, as the processes of the API write it down themselves."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.heartbeat.silence import DEAF_AFTER, Ears
from shared.storage.database import UnitOfWork

_DEAF_SECONDS = DEAF_AFTER.total_seconds()
_KEEP_DAYS = 400
"""Longer than the longest period and grace together, so that every wait finds the times nobody listened."""

_MOST_SPANS = 10_000


@dataclass(frozen=True, slots=True)
class Heard:
    """When somebody listened, and the database's time of now."""

    ears: Ears
    now: datetime


class ListeningStore:
    """What is known of listening, within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def note(self) -> None:
        """Write down that somebody listens now, and the time before if nobody did for long."""
        await self._work.run(
            f"""
            with deaf as (
                insert into deaf_spans (started_at, ended_at)
                select date_trunc('milliseconds', heard_at), date_trunc('milliseconds', clock_timestamp())
                from listening where heard_at < clock_timestamp() - interval '{_DEAF_SECONDS} seconds'
                on conflict do nothing
            ), forgotten as (
                delete from deaf_spans where ended_at < now() - interval '{_KEEP_DAYS} days'
            )
            insert into listening (heard_at) values (clock_timestamp())
            on conflict (is_only) do update set heard_at = greatest(listening.heard_at, excluded.heard_at)
            """
        )

    async def read(self, *, since: datetime) -> Heard:
        """When somebody listened since a moment; nobody ever did where nothing was written down."""
        rows = await self._work.fetch(
            """
            select date_trunc('milliseconds', clock_timestamp()) as now,
                   (select date_trunc('milliseconds', heard_at) from listening) as heard_at
            """
        )
        spans = await self._work.fetch(
            f"""
            select started_at, ended_at from deaf_spans where ended_at > $1 order by started_at limit {_MOST_SPANS}
            """,
            since,
        )
        ears = Ears(rows[0].heard_at, [(span.started_at, span.ended_at) for span in spans])
        return Heard(ears, rows[0].now)
