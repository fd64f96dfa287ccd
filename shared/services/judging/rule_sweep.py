"""Judges what needs time to pass, and brings judgements to what rules and monitors are now."""

from collections.abc import Sequence
from uuid import UUID

from shared.services.alert.alerting import Alerting
from shared.services.judging.due_judging import DueJudging
from shared.storage.alert.alert_store import Applied
from shared.storage.database import Database, UnitOfWork
from shared.storage.judging.judgement_store import JudgementStore
from shared.storage.judging.standing_lock import lock_standings
from shared.storage.judging.sweep_store import SweepStore, UnappliedRule

PAGE = 200
"""Monitors that a rule is brought to in one transaction."""
MISFITS = 500


class RuleSweep:
    """The duty behind rules; safe anywhere and twice."""

    def __init__(self, database: Database, alerting: Alerting) -> None:
        self._database = database
        self._alerting = alerting
        self._due = DueJudging(database, alerting)

    async def run(self) -> int:
        """Bring changed rules to their monitors, end what fits no more, judge what is due; how much there was."""
        return await self._apply_rules() + await self._refit() + await self._due.run()

    async def _apply_rules(self) -> int:
        async with self._database.one_statement() as work:
            rules = await SweepStore(work).list_unapplied()
        return sum([await self._apply(rule) for rule in rules])

    async def _apply(self, rule: UnappliedRule) -> int:
        """Go through all monitors, or those it has judged when it is gone; 0 while somebody else is at it."""
        after = UUID(int=0)
        while True:
            async with self._database.writing() as work:
                store = SweepStore(work)
                if not await store.take_turn():
                    return 0
                page = await self._list_page(work, rule, after)
                if not page:
                    await store.mark_applied(rule)
                    return 1
                applied = await self._apply_page(work, rule, page)
            self._alerting.tell(applied)
            after = page[-1]

    async def _list_page(self, work: UnitOfWork, rule: UnappliedRule, after: UUID) -> list[UUID]:
        if rule.gone is None:
            return await SweepStore(work).list_monitors(after=after, limit=PAGE)
        return await JudgementStore(work).list_of_rule(rule.rule_id, after=after, limit=PAGE)

    async def _apply_page(self, work: UnitOfWork, rule: UnappliedRule, page: Sequence[UUID]) -> Applied:
        judge = self._alerting.judge(work)
        if rule.gone is None:
            return await judge.apply_rule(rule.rule_id, page)
        await lock_standings(work, page)
        return await judge.end({(rule.rule_id, monitor_id): rule.gone for monitor_id in page})

    async def _refit(self) -> int:
        """Whatever else was overlooked of monitors with open alerts."""
        async with self._database.one_statement() as work:
            misfits = await SweepStore(work).list_misfits(limit=MISFITS)
        if not misfits:
            return 0
        async with self._database.writing() as work:
            applied = await self._alerting.judge(work).refit(await lock_standings(work, sorted(misfits)))
        self._alerting.tell(applied)
        return len(misfits)
