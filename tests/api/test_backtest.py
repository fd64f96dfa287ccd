"""Rules tested over what is stored, over HTTP."""

from typing import Any
from uuid import UUID

import httpx2
import pytest
from judged_site import MONITOR, STEP, JudgedSite
from packed_data import NOW, START, pack_all, plant_samples
from uuid_utils.compat import uuid7

from api.schemas.backtest import RuleTestView
from api.services import ApiServices
from shared.domain.alert.alerts import AlertState
from shared.domain.monitor.standing import MonitorState, StateChange
from shared.services.judging import backtest
from shared.storage.database import Database

PATH = "/api/v1/rules:test"
SLOW = {"name": "slow", "selector": "team=web", "expression": "mean(duration_ms, 30s) > 300"}
VALUES = [100, 100, 900, 900, 100, 100, 100, 100, 900, 900, 900]


@pytest.fixture
def site(database: Database) -> JudgedSite:
    return JudgedSite(database)


async def past_of(client: httpx2.AsyncClient, **body: Any) -> RuleTestView:
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    return RuleTestView.model_validate(answer.json(), strict=False)


async def test_a_test_finds_the_alerts_that_there_were(client: httpx2.AsyncClient, site: JudgedSite) -> None:
    """The same moments, reasons and numbers as when the samples came; and nothing is written."""
    await site.watch()
    rule_id = await site.rule(SLOW["expression"], flapping=None)
    for value in VALUES:
        await site.sample(value)
    there = await site.notices.rows("select * from alerts order by alert_id")
    found = await past_of(client, rule_id=str(rule_id), window="1h")
    assert [(each.started_at, each.fired_at, each.ended_at, each.evidence) for each in found.alerts] == [
        (row.started_at, row.fired_at, row.resolved_at, row.evidence) for row in there
    ]
    assert [each.state for each in found.alerts] == [AlertState.RESOLVED, AlertState.FIRING]
    assert (found.fired, found.monitors_selected, found.monitors_fired, found.most_at_once) == (2, 1, 1, 1)
    assert found.samples == len(VALUES)
    assert [(each.id, each.fired) for each in found.monitors] == [(MONITOR, 2)]
    assert len(await site.notices.rows("select alert_id from alerts")) == len(there)


async def test_a_rule_that_is_not_made_is_tested(client: httpx2.AsyncClient, site: JudgedSite) -> None:
    """With its own times; it names a channel that need not be there."""
    await site.watch()
    await site.sample(*VALUES)
    found = await past_of(client, rule={**SLOW, "for": "20s", "channels": ["nobody"]}, window="1h")
    lives = [[at and (at - site.start) // STEP for at in (each.started_at, each.fired_at)] for each in found.alerts]
    assert lives == [[2, 4], [8, 10]]
    assert found.alerts[0].labels["monitor"] == "shop"
    assert await site.notices.rows("select rule_id from alert_rules") == []


async def test_states_are_tested_over_their_spans(client: httpx2.AsyncClient, site: JudgedSite) -> None:
    """No sample is read for them."""
    start = site.start
    await site.watch(
        StateChange(start, MonitorState.UP),
        StateChange(start + 3 * STEP, MonitorState.DOWN),
        StateChange(start + 5 * STEP, MonitorState.UP),
    )
    await site.sample(*VALUES)
    rule = {"name": "down", "expression": "state == down", "severity": "critical"}
    found = await past_of(client, rule=rule, window="1h")
    assert [(each.fired_at, each.ended_at) for each in found.alerts] == [(start + 3 * STEP, start + 5 * STEP)]
    assert (found.samples, found.seconds, found.longest_seconds) == (0, 20.0, 20.0)


async def test_packed_samples_are_tested_alike(client: httpx2.AsyncClient, database: Database) -> None:
    """What was found before the days were packed is found afterwards."""
    await plant_samples(database)
    rule = {"name": "slow", "expression": "latest(duration_ms) > 60"}
    asked = {"rule": rule, "from": START.isoformat(), "to": NOW.isoformat()}
    before = await past_of(client, **asked)
    await pack_all(database)
    after = await past_of(client, **asked)
    assert before.fired > 10
    assert after.model_dump(exclude={"samples_from"}) == before.model_dump(exclude={"samples_from"})


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"rule": SLOW, "rule_id": str(UUID(int=1))}, ""),
        ({"rule": SLOW, "from": "2020-01-01T00:00:00Z", "window": "1h"}, ""),
        ({"rule": SLOW, "from": "2999-01-01T00:00:00Z"}, "/from"),
        ({"rule": SLOW, "from": "2020-01-01T00:00:00Z"}, "/from"),
        ({"rule": {**SLOW, "expression": "p95(nothing, 5m) > 1"}}, "/rule/expression"),
        ({"rule": {**SLOW, "expression": "p95("}}, "/rule/expression"),
        ({"rule": {**SLOW, "selector": "kind=carrier-pigeon"}}, "/rule/selector"),
    ],
)
async def test_what_cannot_be_tested_is_said_where(
    client: httpx2.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    """As when the rule is made, with the place in this body."""
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_rule_that_is_not_there_is_not_found(client: httpx2.AsyncClient) -> None:
    """404."""
    assert (await client.post(PATH, json={"rule_id": str(uuid7())})).status_code == 404


@pytest.mark.parametrize(
    ("bound", "value", "of"),
    [
        ("MAX_MONITORS", 0, "monitors"),
        ("MAX_CHANGES", 0, "changes"),
        ("LIMITS", backtest.Limits(rows=5, chunks=5, samples=5), "samples"),
    ],
)
async def test_more_than_one_test_may_read_is_refused(
    client: httpx2.AsyncClient,
    site: JudgedSite,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    value: object,
    of: str,
) -> None:
    """The problem says what to narrow."""
    await site.watch()
    await site.sample(*VALUES)
    monkeypatch.setattr(backtest, bound, value)
    problem = (await client.post(PATH, json={"rule": SLOW})).json()
    assert (problem["type"], problem["of"]) == ("/problems/too-much-history", of)


async def test_judging_that_takes_too_long_is_given_up(
    client: httpx2.AsyncClient, site: JudgedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next test is let in."""
    await site.watch()
    await site.sample(*VALUES)
    with monkeypatch.context() as patched:
        patched.setattr(backtest, "JUDGE_SECONDS", -1)
        answer = await client.post(PATH, json={"rule": SLOW})
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/query-too-slow")
    assert (await past_of(client, rule=SLOW)).fired == 2


async def test_one_test_runs_at_a_time(
    client: httpx2.AsyncClient, services: ApiServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes meanwhile is told when to come back."""

    async def busy(*_: object) -> None:
        raise backtest.BusyError

    monkeypatch.setattr(services.backtesting, "run", busy)
    answer = await client.post(PATH, json={"rule": SLOW})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
