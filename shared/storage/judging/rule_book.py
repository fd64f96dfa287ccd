"""What a process remembers of rules and of the monitors they judge, and how it finds out that it is old."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from pydantic import ValidationError
from sqlalchemy import Row

from shared.domain.judging.judgements import CompiledRule, JudgedMonitor
from shared.domain.monitor.schedules import Schedule, phase_of
from shared.storage.database import UnitOfWork
from shared.storage.rule.rule_store import RULE_COLUMNS, rule_of

_log = structlog.get_logger()

REMEMBERED_MONITORS = 50_000
"""How many monitors are remembered with the rules that select them, a kilobyte each."""


@dataclass(slots=True)
class _Known:
    monitor: JudgedMonitor
    rules: tuple[CompiledRule, ...] = ()
    rules_version: int | None = None


class RuleBook:
    """The enabled rules, made ready, and which of them judge a monitor; read again when their version has changed."""

    def __init__(self, *, capacity: int = REMEMBERED_MONITORS) -> None:
        self._capacity = capacity
        self._version: int | None = None
        self._rules: dict[UUID, CompiledRule] = {}
        self._known: OrderedDict[UUID, _Known] = OrderedDict()

    async def refresh(self, work: UnitOfWork) -> bool:
        """Read the rules again if they have changed; whether there are any.

        To be called once the states of the monitors are locked: so nobody judges by older rules than who was before.
        """
        rows = await work.fetch("select rules_version from alerting")
        version = rows[0].rules_version if rows else 0
        known = self._version
        if version != known:
            rules = await _read_rules(work) if rows else {}
            # Another unit of work of this process may have read later ones meanwhile, and is about to judge by them.
            if self._version == known or self._version is None or version > self._version:
                self._rules, self._version = rules, version
        return bool(self._rules)

    def find_rule(self, rule_id: UUID) -> CompiledRule | None:
        """A rule that is enabled and not deleted."""
        return self._rules.get(rule_id)

    async def find_monitors(self, work: UnitOfWork, wanted: Mapping[UUID, int | None]) -> dict[UUID, JudgedMonitor]:
        """Monitors of at least these versions, read now where that is None; deleted ones are missing."""
        found: dict[UUID, JudgedMonitor] = {}
        unknown: list[UUID] = []
        for monitor_id, version in wanted.items():
            known = self._known.get(monitor_id)
            if known is None or version is None or known.monitor.version < version:
                unknown.append(monitor_id)
            else:
                self._known.move_to_end(monitor_id)
                found[monitor_id] = known.monitor
        if unknown:
            read = await read_monitors(work, unknown)
            self._remember(read)
            found |= read
        return found

    def rules_of(self, monitor: JudgedMonitor) -> tuple[CompiledRule, ...]:
        """The rules that judge a monitor, in the order of their ids."""
        known = self._known.get(monitor.monitor_id)
        if known is None or known.monitor is not monitor:
            return self._select(monitor)
        if known.rules_version != self._version:
            known.rules, known.rules_version = self._select(monitor), self._version
        return known.rules

    def _select(self, monitor: JudgedMonitor) -> tuple[CompiledRule, ...]:
        return tuple([rule for rule in self._rules.values() if rule.judges(monitor)])

    def _remember(self, monitors: Mapping[UUID, JudgedMonitor]) -> None:
        for monitor_id, monitor in monitors.items():
            self._known[monitor_id] = _Known(monitor)
            self._known.move_to_end(monitor_id)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)


async def _read_rules(work: UnitOfWork) -> dict[UUID, CompiledRule]:
    rows = await work.fetch(
        f"select {RULE_COLUMNS} from alert_rules r where r.deleted_at is null order by r.rule_id",
    )
    rules = map(_compiled, rows)
    return {rule.rule_id: rule for rule in rules if rule is not None and rule.rule.spec.enabled}


def _compiled(row: Row[Any]) -> CompiledRule | None:
    try:
        return CompiledRule.of(rule_of(row))
    except ValidationError as error:
        # A later version of Tocsin wrote it; the others are judged all the same.
        _log.error("rule_unreadable", rule_id=str(row.rule_id), errors=error.error_count())
        return None


async def read_monitors(work: UnitOfWork, monitor_ids: Sequence[UUID]) -> dict[UUID, JudgedMonitor]:
    """Monitors as this unit of work sees them; what it has changed itself must not be remembered by any book."""
    rows = await work.fetch(
        """
        select monitor_id, version, name, group_name, kind, labels::text as labels, interval_ms, cron, timezone,
               series_id, paused_at
        from monitors where monitor_id = any($1::uuid[])
        """,
        list(monitor_ids),
    )
    return {row.monitor_id: _monitor_of(row) for row in rows}


def _monitor_of(row: Row[Any]) -> JudgedMonitor:
    if row.interval_ms is None:
        schedule = Schedule(cron=row.cron, timezone=row.timezone)
    else:
        interval = timedelta(milliseconds=row.interval_ms)
        schedule = Schedule(interval=interval, phase=phase_of(row.monitor_id, interval))
    return JudgedMonitor(
        monitor_id=row.monitor_id,
        version=row.version,
        name=row.name,
        group=row.group_name,
        kind=row.kind,
        labels=msgspec.json.decode(row.labels),
        schedule=schedule,
        series_id=row.series_id,
        is_paused=row.paused_at is not None,
    )
