"""Alerts explained over HTTP."""

from dataclasses import replace
from datetime import timedelta

import httpx2
from alert_data import fires, pends, subject_of
from judged_site import JudgedSite
from packed_data import MONITOR, START, pack_all, plant_samples
from uuid_utils.compat import uuid7

from api.schemas.explain import ExplanationView
from shared.storage.alert.alert_store import AlertStore
from shared.storage.database import Database

HOUR = timedelta(hours=1)


async def test_an_alert_explains_itself(client: httpx2.AsyncClient, database: Database) -> None:
    """The rule as it judged, the numbers, the samples, the history and the channels, and all of it in sentences."""
    site = JudgedSite(database)
    await site.watch()
    channel_id = await site.notices.channel()
    await site.rule("mean(duration_ms, 1m) > 300")
    await site.sample(100, 700)
    [alert_id] = await site.alert_ids()
    answer = await client.get(f"/api/v1/alerts/{alert_id}/explain")
    explained = ExplanationView.model_validate(answer.json(), strict=False)
    assert explained.rule is not None
    assert explained.rule.rule is not None
    assert explained.samples is not None
    assert explained.now is not None
    assert (explained.rule.version, explained.rule.current_version) == (1, 1)
    assert explained.rule.rule.expression == "mean(duration_ms, 1m) > 300"
    assert [sample.duration_ms for sample in explained.samples.items] == [100, 700]
    assert explained.now.verdict == "unknown"
    assert [event.kind for event in explained.events] == ["fire"]
    assert [(channel.id, channel.owed) for channel in explained.channels] == [(channel_id, "firing")]
    assert explained.summary[0].startswith('"slow" on shop (web) fires since')


async def test_an_alert_of_a_rule_that_is_no_longer_kept_is_explained(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """Whatever is missing, the answer is whole."""
    pending = pends(subject_of())
    async with database.transaction() as work:
        await AlertStore(work).apply([pending, fires(subject_of(), minute=1, alert_id=pending.alert_id)])
    answer = await client.get(f"/api/v1/alerts/{pending.alert_id}/explain")
    explained = ExplanationView.model_validate(answer.json(), strict=False)
    assert explained.rule is not None
    assert (explained.rule.rule, explained.rule.current_version, explained.now) == (None, None, None)
    assert [event.kind for event in explained.events] == ["pend", "fire"]


async def test_packed_samples_explain_too(client: httpx2.AsyncClient, database: Database) -> None:
    """An alert of days ago shows what it fired by."""
    planted = await plant_samples(database)
    wanted = [each.reading for each in planted[MONITOR] if START <= each.slot <= START + 2 * HOUR]  # type: ignore[operator]
    evidence = {
        "at": (START + 2 * HOUR).isoformat(),
        "comparisons": [{"expression": "x", "from": START.isoformat(), "op": ">", "threshold": 1, "value": 2}],
    }
    change = replace(fires(subject_of(monitor_id=MONITOR)), evidence=evidence)
    async with database.transaction() as work:
        await AlertStore(work).apply([change])
    await pack_all(database)
    answer = await client.get(f"/api/v1/alerts/{change.alert_id}/explain")
    explained = ExplanationView.model_validate(answer.json(), strict=False)
    assert explained.samples is not None
    assert [(each.outcome, each.duration_ms) for each in explained.samples.items] == [
        (each.outcome, each.duration_ms) for each in wanted
    ]
    assert len(wanted) == 7


async def test_there_is_nothing_to_explain_without_an_alert(client: httpx2.AsyncClient) -> None:
    """404."""
    assert (await client.get(f"/api/v1/alerts/{uuid7()}/explain")).status_code == 404
