"""Reads what a rule is tested against: the monitors that it selects, and how they stood."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.domain.judging.judgements import CompiledRule, JudgedMonitor
from shared.domain.monitor.standing import STATE_OF_CODE, StateChange
from shared.storage.database import UnitOfWork
from shared.storage.judging.rule_book import read_monitors
from shared.storage.matcher_sql import SEEN_LABELS, plain_terms_of

READ_AT_ONCE = 1_000
_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class SelectedMonitors:
    """Monitors that a rule selects and can judge, in the order of their ids, and when they were made."""

    monitors: Sequence[JudgedMonitor]
    created_at: Mapping[UUID, datetime]


class BacktestStore:
    """Reads within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def select(self, rule: CompiledRule, *, limit: int) -> SelectedMonitors:
        """At most `limit` of the monitors that the rule selects; paused ones are among them."""
        found: list[JudgedMonitor] = []
        created: dict[UUID, datetime] = {}
        after = _FIRST
        while len(found) < limit:
            page = await self._list(rule, after)
            monitors = await read_monitors(self._work, list(page))
            found += [monitor for monitor_id in page if rule.selects(monitor := monitors[monitor_id])]
            created |= page
            if len(page) < READ_AT_ONCE:
                break
            after = max(page)
        return SelectedMonitors(found[:limit], created)

    async def _list(self, rule: CompiledRule, after: UUID) -> dict[UUID, datetime]:
        """Monitors that the database cannot rule out; a pattern is matched by whoever asks."""
        rows = await self._work.fetch(
            f"""
            select m.monitor_id, m.created_at from monitors m cross join lateral (select {SEEN_LABELS} as labels) l
            where m.monitor_id > $1 and m.kind = any($2::text[]) and l.labels @> $3::text::jsonb
            order by m.monitor_id limit $4
            """,
            after,
            sorted(rule.kinds),
            plain_terms_of(rule.selector),
            READ_AT_ONCE,
        )
        return {row.monitor_id: row.created_at for row in rows}

    async def list_changes(
        self, monitor_ids: Sequence[UUID], start: datetime, end: datetime, *, limit: int
    ) -> dict[UUID, list[StateChange]]:
        """How each of the monitors stood at the start, and the changes until the end; at most `limit` in all."""
        rows = await self._work.fetch(
            """
            select k.monitor_id, s.started_at, s.state, s.code, s.message
            from unnest($1::uuid[]) k (monitor_id) cross join lateral (
                select * from state_spans where monitor_id = k.monitor_id and started_at < $3
                    and started_at >= coalesce((select max(started_at) from state_spans
                                                where monitor_id = k.monitor_id and started_at <= $2), $2)
                order by started_at
            ) s limit $4
            """,
            list(monitor_ids),
            start,
            end,
            limit,
        )
        found: dict[UUID, list[StateChange]] = defaultdict(list)
        for row in rows:
            found[row.monitor_id].append(StateChange(row.started_at, STATE_OF_CODE[row.state], row.code, row.message))
        return dict(found)
