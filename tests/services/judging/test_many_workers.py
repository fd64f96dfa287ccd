"""Four workers judge as one does."""

import asyncio
from collections import defaultdict
from random import Random
from uuid import UUID

from alert_site import SECOND, AlertSite
from round_site import slot_now

from shared.domain.target.outcome import Outcome
from shared.storage.database import Database

MONITORS, SLOTS = 5, 24
RULES = {
    "down": "state == down",
    "slow": "mean(duration_ms, 30s) > 200 recover 150",
    "bad": "count(down, 1m) >= 2 and state == down",
}


def planned(seed: int) -> list[list[tuple[Outcome, float]]]:
    """What each monitor's looks find, slot by slot."""
    random = Random(seed)
    outcomes = (Outcome.UP, Outcome.UP, Outcome.DOWN, Outcome.ERROR)
    return [[(random.choice(outcomes), float(random.randrange(400))) for _ in range(SLOTS)] for _ in range(MONITORS)]


async def judged(
    database: Database, plan: list[list[tuple[Outcome, float]]], *, workers: int
) -> dict[int, list[tuple[str, str, float]]]:
    """The transitions of each monitor when so many workers take its looks in turn, and sweep between them."""
    # Nothing is due by the clock: a sweep may be anywhere, but never ahead of the looks.
    site = await AlertSite(database, start=slot_now(3600)).open()
    sites = [AlertSite(database, round=site.round, start=site.start) for _ in range(workers)]
    for name, expression in RULES.items():
        await site.rule(expression, name, **{"for": 15 * SECOND})
    await site.sweep()
    monitors = [await site.monitor() for _ in plan]

    async def watch(monitor_id: UUID, found: list[tuple[Outcome, float]]) -> None:
        for slot, (outcome, value) in enumerate(found):
            await sites[slot % workers].looks(monitor_id, slot * 10, outcome=outcome, value=value)

    async def sweep(each: AlertSite) -> None:
        for _ in range(SLOTS):
            await each.sweeper.run()

    await asyncio.gather(*map(watch, monitors, plan), *map(sweep, sites[1:]))
    await site.sweep()
    rows = await site.rows(
        "select a.monitor_id, a.name, e.kind, e.at from alert_events e join alerts a using (alert_id)"
        " where e.kind in ('pend', 'fire', 'clear', 'resolve') order by e.at, a.name, e.event_id"
    )
    steps: dict[int, list[tuple[str, str, float]]] = defaultdict(list)
    for row in (row for row in rows if row.monitor_id in monitors):
        told = (row.name, row.kind, (row.at - site.start).total_seconds())
        steps[monitors.index(row.monitor_id)].append(told)
    await site.rows("update alert_rules set deleted_at = now(), version = version + 1 returning 1")
    await site.rows("update alerting set rules_version = rules_version + 1 returning 1")
    return steps


async def test_four_workers_come_to_the_transitions_of_one(database: Database) -> None:
    """Each monitor's looks one after the other, whoever takes them, with sweeps in between."""
    plan = planned(7)
    alone = await judged(database, plan, workers=1)
    together = await judged(database, plan, workers=4)
    assert sum(map(len, alone.values())) > 30
    assert together == alone
