"""What the sweep looks for: rules that changed, alerts that fit no more, and judgements that are due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from shared.domain.alert.alerts import Reason
from shared.storage.advisory_locks import RULE_SWEEP
from shared.storage.database import UnitOfWork
from shared.storage.judging.judgement_store import Pair
from shared.storage.tables.alerts import OPEN

DUE_AFTER = timedelta(seconds=1)
"""So long after it was due a moment is judged without news: those of it that are under way have come by then."""


@dataclass(frozen=True, slots=True)
class UnappliedRule:
    """A rule that has a later version than its judgements were brought to; `gone` says why it judges no more."""

    rule_id: UUID
    version: int
    gone: Reason | None


class DuePair(NamedTuple):
    """A rule and a monitor that are due; what is unfilled may have windows to be filled first."""

    pair: Pair
    due_at: datetime
    is_unfilled: bool


class SweepStore:
    """Reads and marks for the sweep, within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def take_turn(self) -> bool:
        """Whether nobody else applies rules until the end of this unit of work."""
        rows = await self._work.fetch("select pg_try_advisory_xact_lock($1) as is_ours", RULE_SWEEP)
        return bool(rows[0].is_ours)

    async def list_unapplied(self) -> list[UnappliedRule]:
        """Rules whose change has not been brought to all monitors, or that are gone and were judged by since.

        The latter are by transactions that had begun before.
        """
        rows = await self._work.fetch(
            """
            select rule_id, version, deleted_at is not null as is_deleted, (spec->>'enabled')::bool is false as is_off
            from alert_rules r
            where applied_version < version
               or ((deleted_at is not null or (spec->>'enabled')::bool is false)
                   and exists (select from judgements j where j.rule_id = r.rule_id))
            order by rule_id
            """
        )
        return [UnappliedRule(row.rule_id, row.version, _why_gone(row.is_deleted, row.is_off)) for row in rows]

    async def mark_applied(self, rule: UnappliedRule) -> None:
        """Note that all judgements are those of a rule's version."""
        await self._work.run(
            "update alert_rules set applied_version = $2 where rule_id = $1 and applied_version < $2",
            rule.rule_id,
            rule.version,
        )

    async def find_gone(self, rule_ids: Sequence[UUID]) -> dict[UUID, Reason]:
        """Which of these rules judge no more, and why."""
        rows = await self._work.fetch(
            """
            select p.rule_id, r.rule_id is null or r.deleted_at is not null as is_deleted,
                   (r.spec->>'enabled')::bool is false as is_off
            from unnest($1::uuid[]) p (rule_id) left join alert_rules r using (rule_id)
            """,
            list(rule_ids),
        )
        found = {row.rule_id: _why_gone(row.is_deleted, row.is_off) for row in rows}
        return {rule_id: reason for rule_id, reason in found.items() if reason is not None}

    async def find_deleted(self, monitor_ids: Sequence[UUID]) -> set[UUID]:
        """Which of these monitors are no more."""
        rows = await self._work.fetch("select monitor_id from monitors where monitor_id = any($1)", list(monitor_ids))
        return set(monitor_ids) - {row.monitor_id for row in rows}

    async def list_monitors(self, *, after: UUID, limit: int) -> list[UUID]:
        """Monitors in the order of their ids."""
        rows = await self._work.fetch(
            "select monitor_id from monitors where monitor_id > $1 order by monitor_id limit $2", after, limit
        )
        return [row.monitor_id for row in rows]

    async def find_judged(self, rule_id: UUID, monitor_ids: Sequence[UUID]) -> set[UUID]:
        """Which of these monitors a rule has judgements of."""
        rows = await self._work.fetch(
            "select monitor_id from judgements where rule_id = $1 and monitor_id = any($2)", rule_id, list(monitor_ids)
        )
        return {row.monitor_id for row in rows}

    async def list_misfits(self, *, limit: int) -> list[UUID]:
        """Monitors with open alerts that were deleted, paused or changed since those were judged, or whose rule was.

        A change of a rule is brought to all that it selects; one that was judged by it meanwhile is overlooked.
        """
        rows = await self._work.fetch(
            f"""
            select distinct a.monitor_id from alerts a
            join judgements j on j.rule_id = a.rule_id and j.monitor_id = a.monitor_id
            join alert_rules r on r.rule_id = a.rule_id
            left join monitors m on m.monitor_id = a.monitor_id
            where a.source = 'rule' and a.{OPEN}
              and (m.monitor_id is null or m.paused_at is not null or j.monitor_version < m.version
                   or (j.rule_version < r.applied_version and r.deleted_at is null
                       and (r.spec->>'enabled')::bool is not false))
            limit $1
            """,
            limit,
        )
        return [row.monitor_id for row in rows]

    async def list_due(self, *, limit: int) -> list[DuePair]:
        """What was to be judged a second ago, the longest due first."""
        rows = await self._work.fetch(
            """
            select rule_id, monitor_id, due_at, filled_from is null as is_unfilled from judgements
            where due_at <= now() - $1::interval order by due_at limit $2
            """,
            DUE_AFTER,
            limit,
        )
        return [DuePair((row.rule_id, row.monitor_id), row.due_at, row.is_unfilled) for row in rows]

    async def put_off(self, pairs: Sequence[Pair], *, wait: timedelta) -> None:
        """Let judgements whose windows cannot be filled wait, so that they are in nobody's way."""
        await self._work.run(
            """
            update judgements j set due_at = now() + $3::interval from (
                select rule_id, monitor_id from unnest($1::uuid[], $2::uuid[]) as u (rule_id, monitor_id)
                join judgements using (rule_id, monitor_id)
                where filled_from is null order by rule_id, monitor_id for no key update of judgements) p
            where j.rule_id = p.rule_id and j.monitor_id = p.monitor_id
            """,
            [rule_id for rule_id, _ in pairs],
            [monitor_id for _, monitor_id in pairs],
            wait,
        )


async def database_time(work: UnitOfWork) -> datetime:
    """The time by the database's clock."""
    rows = await work.fetch("select now() as now")
    now: datetime = rows[0].now
    return now


def _why_gone(is_deleted: object, is_off: object) -> Reason | None:
    if is_deleted:
        return Reason.RULE_DELETED
    return Reason.RULE_DISABLED if is_off else None
