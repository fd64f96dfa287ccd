"""Reads what may hold firings back now: only what is active, and a bounded number of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row

from shared.domain.matchers import parse_matchers
from shared.domain.monitor.standing import MonitorState
from shared.domain.suppression.inhibitions import Cause, Inhibition, StandingInhibition, standing_of
from shared.domain.suppression.suppressions import Span, SuppressionFacts
from shared.storage.database import UnitOfWork
from shared.storage.matcher_sql import SEEN_LABELS, plain_terms_of
from shared.storage.suppression.inhibition_store import InhibitionStore

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
        """Those that alerts cause, with the alerts that fire."""
        wanted = [each for each in inhibitions if each.source is not None]
        firing = "select alert_id as cause_id, labels from alerts where state = 'firing'"
        return await self._standing(wanted, firing)

    async def _by_monitors(self, inhibitions: Sequence[Inhibition]) -> list[StandingInhibition]:
        """Those that monitors cause, with the monitors that are down."""
        wanted = [each for each in inhibitions if each.depends_on is not None]
        down = f"""
            select m.monitor_id as cause_id, {SEEN_LABELS} as labels
            from monitor_states s join monitors m using (monitor_id) where s.state = {MonitorState.DOWN.code}"""
        return await self._standing(wanted, f"select * from ({down} offset 0) d where true")

    async def _standing(self, wanted: Sequence[Inhibition], causes: str) -> list[StandingInhibition]:
        """The inhibitions that a statement's causes may cause: two of each that are alike in what is asked for.

        Two, because a monitor does not depend on itself. Plain terms are the database's to find, all others are ours.
        """
        if not wanted:
            return []
        rows = await self._work.fetch(
            f"""
            select place, cause_id, seen, group_name, monitor from (
                select w.place, c.cause_id, v.seen, c.labels ->> 'group' as group_name,
                       c.labels ->> 'monitor' as monitor,
                       row_number() over (partition by w.place, v.seen order by c.cause_id) as nth
                from (select place, labels::jsonb as labels,
                             array(select jsonb_array_elements_text(names::jsonb)) as names
                      from unnest($1::int4[], $2::text[], $3::text[]) as u (place, labels, names)) w
                cross join lateral ({causes} and labels @> w.labels order by cause_id limit $4) c
                cross join lateral (select array(select c.labels ->> name from unnest(w.names) as name) as seen) v
            ) found where nth <= 2 order by place, cause_id
            """,
            list(range(len(wanted))),
            [plain_terms_of(each.causes) for each in wanted],
            [msgspec.json.encode(each.names).decode() for each in wanted],
            MAX_CAUSES,
        )
        causes_of: dict[int, list[Cause]] = {}
        for row in rows:
            causes_of.setdefault(row.place, []).append(Cause(row.cause_id, _labels_of(row, wanted[row.place].names)))
        return [standing_of(wanted[place], found) for place, found in causes_of.items()]


def _labels_of(row: Row[Any], names: Sequence[str]) -> dict[str, str]:
    values = {**dict(zip(names, row.seen, strict=True)), "group": row.group_name, "monitor": row.monitor}
    return {name: value for name, value in values.items() if value is not None}
