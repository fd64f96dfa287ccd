"""Judges the moments that were due though nothing came, and fills windows that wait for it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.domain.alert.alerts import Reason
from shared.domain.judging.judgements import CompiledRule, JudgedMonitor, JudgedPair, Judgement, Stands
from shared.domain.judging.judging import judge_due, judge_end
from shared.services.alert.alerting import Alerting
from shared.services.judging.window_fill import Filling, FillingReader, Waiting, fill_up
from shared.storage.database import Database, UnitOfWork
from shared.storage.judging.alert_judge import why_over
from shared.storage.judging.judgement_store import JudgementStore, Pair
from shared.storage.judging.rule_book import read_monitors
from shared.storage.judging.standing_lock import lock_free_standings
from shared.storage.judging.sweep_store import DUE_AFTER, DuePair, SweepStore, database_time
from shared.storage.judging.unjudged import judged_or_left

BATCH = 500
"""What is judged in one transaction."""
_MOMENT = timedelta(microseconds=1)

Fillings = Mapping[UUID, Mapping[UUID, Filling]]
"""By rule and monitor."""


@dataclass(frozen=True, slots=True)
class _Due:
    """A judgement that is due, with all it is judged by; `rule` and `monitor` are None where there is none any more."""

    kept: Judgement
    rule: CompiledRule | None
    monitor: JudgedMonitor | None
    stands: Stands

    @property
    def pair(self) -> Pair:
        """The rule and the monitor."""
        return self.kept.rule_id, self.kept.monitor_id

    @property
    def until(self) -> datetime:
        """The last moment that may be judged: what nobody has looked at meanwhile is not believed to go on."""
        latest = self.stands.now - DUE_AFTER
        return latest if self.monitor is None else min(latest, self.stands.known_until(self.monitor))

    @property
    def is_waiting(self) -> bool:
        """Whether its windows are to be filled first."""
        return self.rule is not None and self.rule.is_waiting(self.kept)


class DueJudging:
    """Judges what is due; who holds a monitor's state judges it itself, and is not waited for."""

    def __init__(self, database: Database, alerting: Alerting) -> None:
        self._database = database
        self._alerting = alerting
        self._fillings = FillingReader(database)

    async def run(self) -> int:
        """Judge a batch; how many were."""
        async with self._database.one_statement() as work:
            due = await SweepStore(work).list_due(limit=BATCH)
        if not due:
            return 0
        # First those that need no reading of what lies before, which may take its time, or fail.
        moved = await self._judge_all([each for each in due if not each.is_unfilled], {})
        unfilled = [each for each in due if each.is_unfilled]
        return moved + await self._judge_all(unfilled, await self._read_fillings(unfilled))

    async def _judge_all(self, due: Sequence[DuePair], fillings: Fillings) -> int:
        if not due:
            return 0
        async with self._database.writing() as work:
            found = await self._lock(work, [each.pair for each in due])
            over = await self._find_over(work, found, [each.pair for each in due])
            live = [each for each in found if each.pair not in over]
            judged = [_judge(each) for each in live if not each.is_waiting]
            judged += await _fill(work, [each for each in live if each.is_waiting], fillings)
            judged += await _end(work, over)
            applied = await self._alerting.judge(work).write(judged, gone=over)
        self._alerting.tell(applied)
        return len(over) + sum(each.judgement is not None for each in judged)

    async def _read_fillings(self, due: Sequence[DuePair]) -> Fillings:
        if not due:
            return {}
        book = self._alerting.book
        async with self._database.writing() as work:
            await book.refresh(work)
            monitors = await read_monitors(work, [each.pair[1] for each in due])
            now = await database_time(work)
        by_rule: dict[UUID, list[JudgedMonitor]] = defaultdict(list)
        for (rule_id, monitor_id), _, _ in due:
            if monitor_id in monitors:
                by_rule[rule_id].append(monitors[monitor_id])
        return {
            rule_id: await self._fillings.read(rule, asked, now=min(now, due[0].due_at))
            for rule_id, asked in by_rule.items()
            if (rule := book.find_rule(rule_id)) is not None and rule.program.shape.specs
        }

    async def _lock(self, work: UnitOfWork, pairs: Sequence[Pair]) -> list[_Due]:
        """What is still due of monitors that nobody else judges now, locked."""
        stands = await lock_free_standings(work, sorted({monitor_id for _, monitor_id in pairs}))
        await self._alerting.book.refresh(work)
        kept = await JudgementStore(work).lock([pair for pair in pairs if pair[1] in stands])
        monitors = await read_monitors(work, list(stands))
        due = [
            _Due(each, self._alerting.book.find_rule(rule_id), monitors.get(monitor_id), stands[monitor_id])
            for (rule_id, monitor_id), each in kept.items()
        ]
        return [each for each in due if each.kept.due_at is not None and each.kept.due_at <= each.until]

    async def _find_over(self, work: UnitOfWork, found: Sequence[_Due], pairs: Sequence[Pair]) -> dict[Pair, Reason]:
        """What is to be ended, and why: a rule or a monitor that is gone, or one that the other does not fit."""
        store = SweepStore(work)
        deleted = await store.find_deleted([monitor_id for _, monitor_id in pairs])
        over = {pair: Reason.MONITOR_DELETED for pair in pairs if pair[1] in deleted}
        gone = await store.find_gone([each.kept.rule_id for each in found if each.rule is None])
        over |= {each.pair: gone[each.kept.rule_id] for each in found if each.kept.rule_id in gone}
        over |= {
            each.pair: why_over(each.monitor)
            for each in found
            if each.rule is not None and (each.monitor is None or not each.rule.judges(each.monitor))
        }
        return over


async def _end(work: UnitOfWork, over: Mapping[Pair, Reason]) -> list[JudgedPair]:
    if not over:
        return []
    now = await database_time(work)
    kept = await JudgementStore(work).lock(sorted(over))
    return [judge_end(each, over[pair], at=now) for pair, each in kept.items()]


def _judge(due: _Due) -> JudgedPair:
    if due.rule is None or due.monitor is None:
        # A later version of Tocsin wrote the rule, and judges by it.
        return JudgedPair(None)
    until = replace(due.stands, now=due.until + _MOMENT)
    return judged_or_left(
        partial(judge_due, due.rule, due.monitor, due.kept, until, new_id=uuid7),
        rule_id=due.kept.rule_id,
        monitor_id=due.kept.monitor_id,
    )


async def _fill(work: UnitOfWork, waiting: Sequence[_Due], fillings: Fillings) -> list[JudgedPair]:
    """Fill the windows of those that were read, and judge them unless they are due later now."""
    by_rule: dict[UUID, list[_Due]] = defaultdict(list)
    for each in waiting:
        if each.kept.monitor_id in fillings.get(each.kept.rule_id, {}):
            by_rule[each.kept.rule_id].append(each)
    judged: list[JudgedPair] = []
    for rule_id, chosen in by_rule.items():
        rule = chosen[0].rule
        asked = [Waiting(each.monitor, each.kept, each.stands) for each in chosen if each.monitor is not None]
        if rule is not None:
            filled = await fill_up(work, rule, asked, fillings[rule_id])
            judged += [_judge(replace(due, kept=kept)) for due, kept in zip(chosen, filled, strict=True)]
    return judged
