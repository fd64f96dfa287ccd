"""Monitors with rules over a real database: looks recorded as a worker does, at whatever moments a test wants."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from planting import plant
from quiet_alerting import quiet_alerting
from round_site import add_monitor, slot_now
from uuid_utils.compat import uuid7

from shared.domain.monitor.looks import Round, TakenLook
from shared.domain.monitor.slots import Visit
from shared.domain.rule.expressions import parse_expression
from shared.domain.rule.rules import RuleSpec
from shared.domain.target.outcome import Outcome, Reading
from shared.services.alert.alerting import Alerting
from shared.services.judging.rule_sweep import RuleSweep
from shared.services.monitor.recorder import Recorder
from shared.storage.database import Database
from shared.storage.monitor.round_store import RoundStore
from shared.storage.rule.rule_store import RuleStore

FILE = {"kind": "file", "path": "/a"}
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@dataclass
class AlertSite:
    """A database whose monitors are judged; `start` is a moment in the past that the looks of a test begin at."""

    database: Database
    alerting: Alerting = field(default_factory=quiet_alerting)
    round: Round = field(default_factory=lambda: Round(uuid4(), uuid4()))
    start: datetime = field(default_factory=lambda: slot_now(-3600))

    def __post_init__(self) -> None:
        self.sweeper = RuleSweep(self.database, self.alerting)

    async def open(self) -> "AlertSite":
        """Plant the round that looks are recorded under."""
        await plant(
            self.database,
            """
            insert into jobs (job_id, kind, queue, state, spec, run_at, max_attempts, lease_token, lease_owner,
                              lease_expires_at, principal_id)
            values ($1, 'round', 'default', 'running', '{}', now(), 3, $2, 'tests', now() + interval '1 hour', 'tests')
            """,
            self.round.job_id,
            self.round.lease_token,
        )
        return self

    async def monitor(self, *, interval: timedelta = 10 * SECOND, **fields: Any) -> UUID:
        """A monitor that was made a day ago and was never looked at."""
        return await add_monitor(self.database, FILE, interval=interval, since=slot_now(-86_400), **fields)

    async def rule(self, expression: str, name: str = "rule", **fields: Any) -> UUID:
        """A rule, as it is made over HTTP."""
        rule_id = uuid7()
        async with self.database.transaction() as work:
            store = RuleStore(work)
            await store.lock_all()
            await store.insert(rule_id, _spec(expression, name, fields), by="tests")
        return rule_id

    async def edit(self, rule_id: UUID, expression: str, name: str = "rule", **fields: Any) -> None:
        """Change a rule."""
        async with self.database.transaction() as work:
            store = RuleStore(work)
            await store.lock_all()
            await store.update(rule_id, _spec(expression, name, fields), by="tests")

    async def delete_rule(self, rule_id: UUID) -> None:
        """Delete a rule."""
        async with self.database.transaction() as work:
            store = RuleStore(work)
            await store.lock_all()
            await store.mark_deleted(rule_id)

    async def looks(self, monitor_id: UUID, *seconds: float, outcome: Outcome = Outcome.UP, value: float = 1.0) -> None:
        """Record looks at a monitor, so many seconds after the start, as one flush each."""
        for each in seconds:
            await self.record([await self.look(monitor_id, each, outcome=outcome, value=value)])

    async def look(
        self, monitor_id: UUID, seconds: float, *, outcome: Outcome = Outcome.UP, value: float = 1.0
    ) -> TakenLook:
        """A look at a monitor."""
        async with self.database.one_statement() as work:
            found = await RoundStore(work).find_monitors([monitor_id])
        watched = found[monitor_id].watched
        slot = self.start + seconds * SECOND
        interval = watched.schedule.interval or timedelta(minutes=1)
        reading = Reading(outcome, value, slot, {"size_bytes": value})
        visit = Visit(monitor_id, watched.version, slot)
        return TakenLook(self.round, watched, visit, reading, slot + interval)

    async def record(self, looks: Sequence[TakenLook]) -> None:
        """Record looks as one flush."""
        recorder = Recorder(self.database, lambda _: None, self.alerting)
        assert all([await recorder._flush(looks)])

    async def sweep(self) -> None:
        """Sweep until there is nothing left to do, as if what is due now had been so for a while."""
        for _ in range(20):
            await self.rows(
                """
                update judgements
                set due_at = due_at - interval '2 seconds', judged_at = judged_at - interval '2 seconds'
                where due_at between now() - interval '2 seconds' and now() returning 1
                """
            )
            if not await self.sweeper.run():
                return
        raise AssertionError("the sweep finds no end")

    async def alerts(self) -> list[tuple[str, str]]:
        """State and reason of each alert, the oldest first."""
        rows = await self.rows("select state, reason from alerts order by started_at, alert_id")
        return [(row.state, row.reason) for row in rows]

    async def steps(self) -> list[tuple[UUID, str, float]]:
        """What happened to alerts: whose, what, and how many seconds after the start."""
        rows = await self.rows(
            "select a.monitor_id, e.kind, e.at from alert_events e join alerts a using (alert_id)"
            " where e.kind in ('pend', 'fire', 'clear', 'resolve') order by e.at, e.event_id"
        )
        return [(row.monitor_id, row.kind, (row.at - self.start).total_seconds()) for row in rows]

    async def rows(self, statement: str, *parameters: object) -> Sequence[Any]:
        """What the database says."""
        async with self.database.transaction() as work:
            return await work.fetch(statement, *parameters)


def _spec(expression: str, name: str, fields: dict[str, Any]) -> RuleSpec:
    return RuleSpec.model_validate({"name": name, "condition": parse_expression(expression), **fields})
