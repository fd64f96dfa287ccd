"""Alerts that were sent in, as long as they are open."""

from collections.abc import Sequence
from datetime import datetime

from shared.domain.alert.inbound import OpenInbound, Repeated
from shared.storage.database import UnitOfWork
from shared.storage.storable import json_or_none, storable_or_none
from shared.storage.tables.alerts import OPEN, UNRESOLVED

_SENT_IN = f"source = 'inbound' and {OPEN}"


class InboundStore:
    """Open alerts that were sent in, within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def lock_open(self, fingerprints: Sequence[bytes]) -> dict[bytes, OpenInbound]:
        """Those of these fingerprints that are open, locked in the order of their ids."""
        rows = await self._work.fetch(
            f"""
            select fingerprint, alert_id, started_at from alerts
            where fingerprint = any($1::bytea[]) and source = 'inbound' and {UNRESOLVED}
            order by alert_id for no key update
            """,
            sorted(set(fingerprints)),
        )
        return {bytes(row.fingerprint): OpenInbound(row.alert_id, row.started_at) for row in rows}

    async def repeat(self, repeats: Sequence[Repeated]) -> None:
        """Write what locked alerts were sent in again with; the last one of each counts."""
        latest = {repeat.alert_id: repeat for repeat in repeats}
        if not latest:
            return
        await self._work.run(
            """
            update alerts a
            set expires_at = n.expires_at, annotations = n.annotations::jsonb, generator_url = n.generator_url,
                version = a.version + (a.annotations is distinct from n.annotations::jsonb)::int
            from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[])
                 as n (alert_id, expires_at, annotations, generator_url)
            where a.alert_id = n.alert_id
            """,
            list(latest),
            [repeat.expires_at for repeat in latest.values()],
            [json_or_none(repeat.annotations) for repeat in latest.values()],
            [storable_or_none(repeat.generator_url) for repeat in latest.values()],
        )

    async def lock_expired(self, *, now: datetime, limit: int) -> list[tuple[OpenInbound, datetime]]:
        """Those that should have been repeated by now, with when; what another transaction holds is passed over."""
        rows = await self._work.fetch(
            f"""
            select alert_id, started_at, expires_at from alerts
            where alert_id in (select alert_id from alerts
                               where expires_at <= $1 and {_SENT_IN} order by expires_at limit $2)
                  and expires_at <= $1 and {_SENT_IN}
            order by alert_id for no key update skip locked
            """,
            now,
            limit,
        )
        return [(OpenInbound(row.alert_id, row.started_at), row.expires_at) for row in rows]

    async def count_open(self, *, most: int) -> int:
        """How many are open; no more than `most` are counted."""
        rows = await self._work.fetch(
            f"""
            select count(*) as alerts
            from (select 1 from alerts where expires_at is not null and {_SENT_IN} limit $1) a
            """,
            most,
        )
        return int(rows[0].alerts)
