"""What holds firings back, read from the real database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from monitor_data import MonitorData, monitor_id_of, plant_monitors
from uuid_utils.compat import uuid7

from shared.domain.channel.channels import ChannelOptions
from shared.domain.matchers import labels_of_monitor, parse_matchers
from shared.domain.monitor.standing import MonitorState, StateChange
from shared.domain.suppression.inhibitions import Inhibition
from shared.domain.suppression.maintenance import Maintenance
from shared.domain.suppression.silences import Silence
from shared.domain.suppression.suppressions import SuppressionFacts, suppressions_of
from shared.storage.database import Database
from shared.storage.suppression.inhibition_store import InhibitionStore
from shared.storage.suppression.maintenance_store import MaintenanceStore
from shared.storage.suppression.silence_store import SilenceStore
from shared.storage.suppression.suppression_store import SuppressionStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SPANS = {"over": (-2, 0), "now": (0, 1), "to come": (1, 2)}
"""Around `NOW`, in minutes; the end is no part of a span."""


async def facts(database: Database) -> SuppressionFacts:
    """What holds firings back now."""
    async with database.transaction() as work:
        return await SuppressionStore(work).facts(NOW)


async def test_only_what_is_active_is_read(database: Database) -> None:
    """Silences and windows that run now, by their names; one that was ended does not run."""
    every = parse_matchers("team=web")
    async with database.transaction() as work:
        silences, windows = SilenceStore(work), MaintenanceStore(work)
        for name, (first, last) in SPANS.items():
            start, end = NOW + first * MINUTE, NOW + last * MINUTE
            await silences.insert(Silence(uuid7(), every, start, end, name, NOW, "tests"))
            await windows.insert(Maintenance(uuid7(), name, every, start, end, created_at=NOW, created_by="tests"))
        await silences.insert(Silence(uuid7(), every, NOW, NOW + MINUTE / 2, "", NOW, "tests"))
        ended = Maintenance(uuid7(), "ended", every, NOW, NOW + MINUTE, created_at=NOW, created_by="tests")
        await windows.insert(ended)
        await windows.update_times(replace(ended, ended_at=NOW))
    found = await facts(database)
    assert [(each.name, each.ends_at) for each in found.silences] == [
        ("now", NOW + MINUTE),
        ("team=web", NOW + MINUTE / 2),
    ]
    assert [each.name for each in found.maintenances] == ["now"]
    assert found.inhibitions == ()


async def add_inhibition(database: Database, *, target: str, **cause: str) -> UUID:
    """Keep an inhibition with this cause; both sides have to have the site alike."""
    inhibition = Inhibition(
        uuid7(),
        f"{cause}",
        parse_matchers(cause["source"]) if "source" in cause else None,
        parse_matchers(cause["depends_on"]) if "depends_on" in cause else None,
        parse_matchers(target),
        ("site",),
        NOW,
        "tests",
    )
    async with database.transaction() as work:
        assert await InhibitionStore(work).put(inhibition)
    return inhibition.inhibition_id


async def add_alert(database: Database, state: str, **labels: str) -> UUID:
    """An alert in a state."""
    alert_id = uuid7()
    async with database.transaction() as work:
        await work.run(
            """
            insert into alerts (alert_id, source, fingerprint, name, severity, labels, state, started_at, fired_at,
                                resolved_at, reason)
            values ($1, 'inbound', uuid_send($1), 'a', 'warning', jsonb_object($2::text[]), $3, now(), now(),
                    case when $3 = 'resolved' then now() end, 'met')
            """,
            alert_id,
            [part for pair in labels.items() for part in pair],
            state,
        )
    return alert_id


def reasons(found: SuppressionFacts, **labels: str) -> list[str | None]:
    """The causes by which an alert with these labels is held back."""
    return [each.id for each in suppressions_of(labels, "warning", found, ChannelOptions(), NOW)]


@pytest.mark.parametrize("source", ["alertname=away", 'alertname=~"a.*"', 'alertname=away, zone=""'])
async def test_only_alerts_that_fire_inhibit(database: Database, source: str) -> None:
    """Whether the database finds them by an index, or the pattern is left to us."""
    await add_inhibition(database, target="severity=warning", source=source)
    ids = {
        state: await add_alert(database, state, alertname="away", site=state)
        for state in ("pending", "firing", "resolved")
    }
    await add_alert(database, "firing", alertname="other", site="resolved")
    found = await facts(database)
    for state in ids:
        expected = [str(ids["firing"])] if state == "firing" else []
        assert reasons(found, severity="warning", site=state, alertname="slow") == expected
    assert reasons(found, severity="critical", site="firing") == []


@pytest.mark.parametrize("depends_on", ["role=router", "monitor=r, group=net", 'kind=http, monitor=~"r"'])
async def test_only_monitors_that_are_down_hold_back(database: Database, depends_on: str) -> None:
    """Found by their labels, their name, group and kind, which win over labels that are named so."""
    await add_inhibition(database, target="role=app", depends_on=depends_on)
    labels = {"role": "router", "monitor": "nobody", "kind": "nothing"}
    monitors = [
        MonitorData(
            monitor_id_of(number),
            [StateChange(NOW - MINUTE, state)],
            name="r",
            group="net" if state is MonitorState.DOWN else state.value,
            labels=labels | {"site": state.value},
        )
        for number, state in enumerate(MonitorState)
    ]
    await plant_monitors(database, monitors)
    found = await facts(database)
    down = next(each for each in monitors if each.changes[-1].state is MonitorState.DOWN)
    for state in MonitorState:
        expected = [str(down.monitor_id)] if state is MonitorState.DOWN else []
        assert reasons(found, role="app", site=state.value) == expected
    (standing,) = found.inhibitions
    ((cause,),) = standing.causes.values()
    seen = labels_of_monitor("r", "net", "http", labels | {"site": "down"})
    asked = {*standing.inhibition.names, "group", "monitor"}
    assert cause.labels == {name: value for name, value in seen.items() if name in asked}


async def test_of_monitors_that_are_alike_another_one_holds_back(database: Database) -> None:
    """A monitor does not depend on itself; that two of many alike are read is enough to know another one."""
    await add_inhibition(database, target="severity=warning", depends_on="role=router")
    monitors = [
        MonitorData(
            monitor_id_of(number),
            [StateChange(NOW - MINUTE, MonitorState.DOWN)],
            name=f"r{number}",
            labels={"role": "router", "site": "a" if number else "b"},
        )
        for number in range(6)
    ]
    await plant_monitors(database, monitors)
    found = await facts(database)
    assert sum(len(causes) for standing in found.inhibitions for causes in standing.causes.values()) == 3
    alert = {"severity": "warning", "role": "changed by the rule", "group": ""}
    for each in monitors[1:]:
        (cause,) = reasons(found, **alert, site="a", monitor=each.name)
        assert cause != str(each.monitor_id)
    assert reasons(found, **alert, site="b", monitor="r0") == []


async def test_the_causes_of_each_are_its_own(database: Database) -> None:
    """Several inhibitions and dependencies are read at once."""
    await add_inhibition(database, target="tier=2", source="tier=1")
    await add_inhibition(database, target="tier=3", source="tier=2")
    alerts = [await add_alert(database, "firing", tier=str(tier), site="a") for tier in (1, 2, 3)]
    found = await facts(database)
    told = [reasons(found, tier=str(tier), site="a") for tier in (1, 2, 3)]
    assert told == [[], [str(alerts[0])], [str(alerts[1])]]


async def test_more_causes_than_are_read_hold_less_back(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only they would explain is told, rather than not."""
    monkeypatch.setattr("shared.storage.suppression.suppression_store.MAX_CAUSES", 1)
    await add_inhibition(database, target="role=app", source="role=router")
    first, _ = [await add_alert(database, "firing", role="router", site=site) for site in ("a", "b")]
    found = await facts(database)
    assert reasons(found, role="app", site="a") == [str(first)]
    assert reasons(found, role="app", site="b") == []
