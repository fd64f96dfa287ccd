"""What rules make of monitors: locked, judged elsewhere, written back by one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from shared.domain.alert.alerts import AlertLife, AlertState, Verdict
from shared.domain.judging.judgements import Judgement
from shared.storage.database import UnitOfWork

Pair = tuple[UUID, UUID]
"""A rule and a monitor."""

_COLUMNS = """j.rule_id, j.monitor_id, j.rule_version, j.monitor_version, j.judged_at, j.due_at, j.alert_id, j.since,
    j.last_met_at, j.filled_from, j.verdict, j.state, j.is_flapping, j.latched, j.fires, j.windows,
    j.past"""


class JudgementStore:
    """Judgements within one unit of work that holds the states of their monitors: so nobody else writes them."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def lock(self, pairs: Sequence[Pair]) -> dict[Pair, Judgement]:
        """The judgements of these rules on these monitors, locked in their order; those that are not are left out."""
        return await self._lock(
            "unnest($1::uuid[], $2::uuid[]) p (rule_id, monitor_id) join judgements j using (rule_id, monitor_id)",
            [rule_id for rule_id, _ in pairs],
            [monitor_id for _, monitor_id in pairs],
        )

    async def lock_of_monitors(self, monitor_ids: Sequence[UUID]) -> dict[Pair, Judgement]:
        """All judgements of these monitors, locked in their order."""
        return await self._lock("judgements j where j.monitor_id = any($1::uuid[])", list(monitor_ids))

    async def _lock(self, tables: str, *parameters: object) -> dict[Pair, Judgement]:
        rows = await self._work.fetch(
            f"select {_COLUMNS} from {tables} order by j.rule_id, j.monitor_id for no key update of j", *parameters
        )
        judgements = map(_judgement_of, rows)
        return {(each.rule_id, each.monitor_id): each for each in judgements}

    async def list_of_rule(self, rule_id: UUID, *, after: UUID, limit: int) -> list[UUID]:
        """Monitors of which a rule has judgements, in the order of their ids."""
        rows = await self._work.fetch(
            "select monitor_id from judgements where rule_id = $1 and monitor_id > $2 order by monitor_id limit $3",
            rule_id,
            after,
            limit,
        )
        return [row.monitor_id for row in rows]

    async def delete(self, pairs: Sequence[Pair]) -> None:
        """Forget judgements, which are locked."""
        if pairs:
            await self._work.run(
                """
                delete from judgements j using unnest($1::uuid[], $2::uuid[]) as p (rule_id, monitor_id)
                where j.rule_id = p.rule_id and j.monitor_id = p.monitor_id
                """,
                [rule_id for rule_id, _ in pairs],
                [monitor_id for _, monitor_id in pairs],
            )

    async def write(self, judgements: Sequence[Judgement], adopted: Mapping[UUID, UUID]) -> None:
        """Write judgements that are locked or new; `adopted` are alerts that stand in the place of others."""
        if not judgements:
            return
        if adopted:
            judgements = [
                replace(each, alert_id=adopted.get(each.alert_id, each.alert_id)) if each.alert_id else each
                for each in judgements
            ]
        await self._work.run(_UPSERT, *_values_of(judgements))


_UPSERT = """
    insert into judgements as j (
        rule_id, monitor_id, rule_version, monitor_version, judged_at, due_at, alert_id, since, last_met_at,
        filled_from, verdict, state, is_flapping, latched, fires, windows, past)
    select rule_id, monitor_id, rule_version, monitor_version, judged_at, due_at, alert_id, since, last_met_at,
           filled_from, verdict, state, is_flapping, latched, fires::timestamptz[], windows, past
    from unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int8[], $5::timestamptz[], $6::timestamptz[], $7::uuid[],
                $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::bool[],
                $14::int4[], $15::text[], $16::bytea[], $17::bytea[])
         as n (rule_id, monitor_id, rule_version, monitor_version, judged_at, due_at, alert_id, since, last_met_at,
               filled_from, verdict, state, is_flapping, latched, fires, windows, past)
    on conflict (rule_id, monitor_id) do update
    set rule_version = excluded.rule_version, monitor_version = excluded.monitor_version,
        judged_at = excluded.judged_at, due_at = excluded.due_at, alert_id = excluded.alert_id,
        since = excluded.since, last_met_at = excluded.last_met_at, filled_from = excluded.filled_from,
        verdict = excluded.verdict, state = excluded.state, is_flapping = excluded.is_flapping,
        latched = excluded.latched, fires = excluded.fires, windows = excluded.windows,
        past = coalesce(excluded.past, j.past)
"""
"""What is null of `past` stays as it is: then the server does not touch what it keeps of it outside of the row."""


def _values_of(judgements: Sequence[Judgement]) -> list[list[object]]:
    rows = [
        (
            each.rule_id,
            each.monitor_id,
            each.rule_version,
            each.monitor_version,
            each.life.judged_at,
            each.due_at,
            each.alert_id,
            each.life.since,
            each.life.last_met_at,
            each.filled_from,
            each.verdict.value,
            None if each.life.state is None else each.life.state.value,
            each.life.is_flapping,
            each.latched,
            f"{{{','.join(fired.isoformat() for fired in each.life.fires)}}}",
            each.windows,
            each.past if each.is_past_new else None,
        )
        for each in judgements
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _judgement_of(row: Sequence[Any]) -> Judgement:
    """The judgement in a row of its columns; by their places, since names take three times as long."""
    life = AlertLife(
        state=None if row[11] is None else AlertState(row[11]),
        since=row[7],
        last_met_at=row[8],
        judged_at=row[4],
        is_flapping=row[12],
        fires=tuple(row[14]),
    )
    return Judgement(
        row[0], row[1], row[2], row[3], life, Verdict(row[10]), row[6], row[5], row[9], row[13], row[15],
        row[16] or b"",
    )  # fmt: skip
