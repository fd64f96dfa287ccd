"""Judges monitors by all rules in the transaction that wrote what is new of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.domain.alert.alerts import Reason
from shared.domain.judging.judgements import CompiledRule, JudgedMonitor, JudgedPair, Judgement, MonitorNews, Stands
from shared.domain.judging.judging import judge_end, judge_news, judge_standing
from shared.storage.alert.alert_store import AlertStore, Applied
from shared.storage.database import UnitOfWork
from shared.storage.judging.judgement_store import JudgementStore, Pair
from shared.storage.judging.rule_book import RuleBook, read_monitors
from shared.storage.judging.standing_lock import lock_standings
from shared.storage.judging.sweep_store import SweepStore, database_time
from shared.storage.judging.unjudged import judged_or_left


class AlertJudge:
    """Judging within one unit of work, which holds the states of the monitors concerned.

    What is answered is to be rung and published after the commit.
    """

    def __init__(self, work: UnitOfWork, book: RuleBook) -> None:
        self._work = work
        self._book = book
        self._store = JudgementStore(work)

    async def judge(self, news: Sequence[MonitorNews]) -> Applied:
        """Judge what was written of monitors, each named once.

        Rules that ask for a state only are looked at when one has changed; without rules this is one small statement.
        """
        if not news or not await self._book.refresh(self._work):
            return Applied()
        monitors = await self._book.find_monitors(self._work, {each.monitor_id: each.version for each in news})
        asked = [
            (rule, monitors[each.monitor_id], each)
            for each in news
            if each.monitor_id in monitors
            for rule in self._book.rules_of(monitors[each.monitor_id])
            if each.changes or (each.samples and not rule.program.is_of_state)
        ]
        if not asked:
            return Applied()
        kept = await self._store.lock([(rule.rule_id, monitor.monitor_id) for rule, monitor, _ in asked])
        judged = [
            _judged(judge_news, rule, monitor, kept.get((rule.rule_id, monitor.monitor_id)), each)
            for rule, monitor, each in asked
        ]
        return await self.write(judged)

    async def refit(self, stands: Mapping[UUID, Stands | None]) -> Applied:
        """Bring all rules' judgements of monitors to what they are now, that were made or changed; None: deleted."""
        has_rules = await self._book.refresh(self._work)
        kept = await self._store.lock_of_monitors(sorted(stands))
        if not kept and not has_rules:
            return Applied()
        monitors = await read_monitors(self._work, list(stands))
        judged: list[JudgedPair] = []
        selected: set[Pair] = set()
        for monitor_id, monitor in monitors.items():
            if (stand := stands[monitor_id]) is None:
                continue
            for rule in self._book.rules_of(monitor):
                selected.add(pair := (rule.rule_id, monitor_id))
                judged.append(_judged(judge_standing, rule, monitor, kept.get(pair), stand))
        now = await database_time(self._work)
        over = [pair for pair in kept if pair not in selected]
        judged += [judge_end(kept[pair], why_over(monitors.get(pair[1])), at=now) for pair in over]
        return await self.write(judged, gone=over)

    async def apply_rule(self, rule_id: UUID, monitor_ids: Sequence[UUID]) -> Applied:
        """Bring a rule's judgements of those monitors that it selects, or has selected, to what both are now."""
        await self._book.refresh(self._work)
        rule = self._book.find_rule(rule_id)
        if rule is None:
            return Applied()
        seen = await read_monitors(self._work, monitor_ids)
        concerned = await SweepStore(self._work).find_judged(rule_id, monitor_ids)
        concerned |= {monitor_id for monitor_id, monitor in seen.items() if rule.judges(monitor)}
        stands = await lock_standings(self._work, sorted(concerned))
        monitors = await read_monitors(self._work, list(concerned))
        kept = await self._store.lock([(rule_id, monitor_id) for monitor_id in stands])
        judged = [
            _judged(judge_standing, rule, monitors[monitor_id], kept.get((rule_id, monitor_id)), stand)
            for monitor_id, stand in stands.items()
            if stand is not None and monitor_id in monitors and rule.judges(monitors[monitor_id])
        ]
        now = await database_time(self._work)
        over = [pair for pair in kept if (monitor := monitors.get(pair[1])) is None or not rule.judges(monitor)]
        judged += [judge_end(kept[pair], why_over(monitors.get(pair[1])), at=now) for pair in over]
        return await self.write(judged, gone=over)

    async def end(self, pairs: Mapping[Pair, Reason]) -> Applied:
        """End what rules made of monitors that they judge no more, whether or not those are still there."""
        if not pairs:
            return Applied()
        kept = await self._store.lock(sorted(pairs))
        now = await database_time(self._work)
        return await self.write([judge_end(each, pairs[pair], at=now) for pair, each in kept.items()], gone=kept)

    async def write(self, judged: Iterable[JudgedPair], *, gone: Iterable[Pair] = ()) -> Applied:
        """Write what has become of alerts, and what is to be remembered."""
        judged = list(judged)
        changes = [change for each in judged for change in each.changes]
        applied = await AlertStore(self._work).apply(changes) if changes else Applied()
        judgements = [each.judgement for each in judged if each.judgement is not None]
        await self._store.write(judgements, applied.adopted)
        await self._store.delete(list(gone))
        return applied


def _judged(
    judge: Callable[..., JudgedPair],
    rule: CompiledRule,
    monitor: JudgedMonitor,
    kept: Judgement | None,
    heard: MonitorNews | Stands,
) -> JudgedPair:
    return judged_or_left(
        partial(judge, rule, monitor, kept, heard, new_id=uuid7), rule_id=rule.rule_id, monitor_id=monitor.monitor_id
    )


def why_over(monitor: JudgedMonitor | None) -> Reason:
    """Why a monitor is judged no more by a rule that does not fit it; None: it is not there."""
    if monitor is None:
        return Reason.MONITOR_DELETED
    return Reason.MONITOR_PAUSED if monitor.is_paused else Reason.DESELECTED
