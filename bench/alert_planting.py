"""Rules and their judgements, planted as if they had judged for as long as their windows reach."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from bench.harness import Servers, execute
from bench.planting import clear
from shared.domain.alert.alerts import AlertLife, Verdict
from shared.domain.judging.condition_compiling import compile_condition
from shared.domain.judging.condition_programs import Program
from shared.domain.judging.judgements import Judgement
from shared.domain.judging.window_codec import Windows
from shared.domain.rule.expressions import parse_expression
from shared.domain.rule.rules import RuleSpec
from shared.domain.sample.sample_columns import microseconds_of
from shared.storage.database import Database, UnitOfWork
from shared.storage.judging.judgement_store import JudgementStore
from shared.storage.rule.rule_store import RuleStore

LEAST_BEHIND = timedelta(minutes=5)
_FORGET = "truncate alert_rules, alert_rule_versions, alerting, judgements"
_FORGET_ALL = f"{_FORGET}, alerts, alert_events, tellings, alert_groups, notices, channels cascade"


@dataclass(frozen=True)
class Planted:
    """A rule that was planted, made ready."""

    rule_id: UUID
    program: Program


def clear_alerts(servers: Servers) -> None:
    """Forget rules, alerts, channels, and all that they follow from. Not while a worker runs."""
    clear(servers)
    asyncio.run(execute(servers.database_url, _FORGET_ALL))


def duration_at(draw: random.Random) -> float:
    """How long a look took, in milliseconds, as a web server answers."""
    return round(draw.lognormvariate(3, 0.5), 3)


async def replace_rules(database: Database, expressions: Sequence[str]) -> list[Planted]:
    """Forget all rules and judgements, and plant these."""
    planted = []
    async with database.transaction() as work:
        await work.run(_FORGET)
        store = RuleStore(work)
        await store.lock_all()
        for number, expression in enumerate(expressions):
            condition = parse_expression(expression)
            rule_id = UUID(str(uuid7()))
            # A process knows rules by their version, which begins anew with each planting.
            await store.insert(rule_id, RuleSpec(name=f"rule {number}", condition=condition), by="bench")
            planted.append(Planted(rule_id, compile_condition(condition)))
    return planted


async def plant_judgements(
    database: Database, rules: Sequence[Planted], monitors: Sequence[UUID], *, until: datetime, every: timedelta
) -> None:
    """What windowed rules remember of monitors that had a sample at each slot up to a moment."""
    for rule in rules:
        if not rule.program.is_of_state:
            async with database.transaction() as work:
                await _plant(work, rule, monitors, until, every)


async def _plant(work: UnitOfWork, rule: Planted, monitors: Sequence[UUID], until: datetime, every: timedelta) -> None:
    behind = max(LEAST_BEHIND, rule.program.longest or LEAST_BEHIND)
    # Filling takes a while in Python: a few stand for all.
    filled = [_filled(rule.program, until, every, behind, random.Random(number)) for number in range(4)]
    judgements = [
        Judgement(
            rule.rule_id,
            monitor_id,
            1,
            1,
            AlertLife(judged_at=until),
            Verdict.NOT_MET,
            filled_from=until - behind,
            windows=filled[place % len(filled)][0],
            past=filled[place % len(filled)][1],
            is_past_new=True,
        )
        for place, monitor_id in enumerate(monitors)
    ]
    await JudgementStore(work).write(judgements, {})


def _filled(
    program: Program, until: datetime, every: timedelta, behind: timedelta, draw: random.Random
) -> tuple[bytes, bytes]:
    windows = Windows.empty(program.shape, awaited_ms=microseconds_of(until - behind) // 1000)
    moments = [until - step * every for step in reversed(range(int(behind / every)))]
    for at_ms in (microseconds_of(moment) // 1000 for moment in moments):
        windows.newest_ms = at_ms
        for ring in windows.rings:
            ring.add(at_ms, 0, duration_at(draw))
    return windows.encode(program.shape), windows.encode_past()
