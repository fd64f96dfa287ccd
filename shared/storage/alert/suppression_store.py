"""Reads what may hold firings back now: only what is active, and a bounded number of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row

from shared.domain.alert.inhibitions import Cause, Inhibition, StandingInhibition, standing_of
from shared.domain.alert.matchers import parse_matchers
from shared.domain.alert.suppression import Span, SuppressionFacts
from shared.domain.monitor.standing import MonitorState
from shared.storage.alert.inhibition_store import InhibitionStore
from shared.storage.alert.matcher_sql import SEEN_LABELS, plain_terms_of
from shared.storage.database import UnitOfWork

MAX_SPANS = 1_000
MAX_CAUSES = 10_000
"""How many causes of one inhibition are read; what only further ones would explain is told."""


class SuppressionStore:
    """Reads within one unit of work; five statements at most, whatever there is."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def facts(self, now: datetime) -> SuppressionFacts:
        """All that may hold firings back at `now`."""
        inhibitions = await InhibitionStore(self._work).list_all()
        return SuppressionFacts(
            silences=await self._list_spans(
                """
                select silence_id as span_id, coalesce(nullif(comment, ''), matchers) as name, matchers, ends_at
                from silences
                where ends_at > $1 and starts_at <= $1 order by ends_at desc limit $2
                """,
                now,
            ),
            maintenances=await self._list_spans(
                """
                select maintenance_id as span_id, name, selector as matchers, ends_at from maintenances
                where ended_at is null and starts_at <= $1 and ends_at > $1 order by ends_at desc limit $2
                """,
                now,
            ),
            inhibitions=(*await self._by_alerts(inhibitions), *await self._by_monitors(inhibitions)),
        )

    async def _list_spans(self, statement: str, now: datetime) -> tuple[Span, ...]:
        rows = await self._work.fetch(statement, now, MAX_SPANS)
        return tuple(Span(row.span_id, row.name, parse_matchers(row.matchers), row.ends_at) for row in rows)

    async def _by_alerts(self, inhibitions: Sequence[Inhibition]) -> list[StandingInhibition]:
        """Those that alerts cause, with the alerts that fire; plain terms are left to the database's index."""
        wanted = [each for each in inhibitions if each.source is not None]
        if not wanted:
            return []
        rows = await self._work.fetch(
            """
            select w.place, a.alert_id as cause_id, a.labels::text as labels
            from unnest($1::int4[], $2::text[]) as w (place, labels) cross join lateral (
                select alert_id, labels from alerts
                where state = 'firing' and labels @> w.labels::jsonb order by alert_id limit $3) a
            """,
            list(range(len(wanted))),
            [plain_terms_of(each.causes) for each in wanted],
            MAX_CAUSES,
        )
        return _standing(wanted, rows)

    async def _by_monitors(self, inhibitions: Sequence[Inhibition]) -> list[StandingInhibition]:
        """Those that monitors cause, with the monitors that are down; they are read once for all."""
        wanted = [each for each in inhibitions if each.depends_on is not None]
        if not wanted:
            return []
        rows = await self._work.fetch(
            f"""
            with down as materialized (
                select monitor_id, {SEEN_LABELS} as labels
                from monitor_states s join monitors m using (monitor_id) where s.state = $3)
            select w.place, d.monitor_id as cause_id, d.labels::text as labels
            from unnest($1::int4[], $2::text[]) as w (place, labels) cross join lateral (
                select * from down where labels @> w.labels::jsonb order by monitor_id limit $4) d
            """,
            list(range(len(wanted))),
            [plain_terms_of(each.causes) for each in wanted],
            MonitorState.DOWN.code,
            MAX_CAUSES,
        )
        return _standing(wanted, rows)


def _standing(wanted: Sequence[Inhibition], rows: Sequence[Row[Any]]) -> list[StandingInhibition]:
    causes: dict[int, list[Cause]] = {}
    for row in rows:
        causes.setdefault(row.place, []).append(Cause(row.cause_id, msgspec.json.decode(row.labels)))
    return [standing_of(wanted[place], found) for place, found in causes.items()]
