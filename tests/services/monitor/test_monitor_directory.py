"""The directory of monitors knows what is there, and soon what is new."""

from datetime import UTC, datetime

import pytest
from monitor_data import MonitorData, monitor_id_of, plant_monitors

from shared.domain.live_filters import MonitorFacts
from shared.domain.monitor.standing import MonitorState, StateChange
from shared.services.monitor import monitor_directory
from shared.services.monitor.monitor_directory import MonitorDirectory
from shared.storage.database import Database

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def monitor(number: int, **labels: str) -> MonitorData:
    changes = [StateChange(NOW, MonitorState.UP)]
    return MonitorData(monitor_id_of(number), changes, name=f"m{number}", group="web", labels=labels)


async def test_a_monitor_that_is_not_known_is_looked_up_when_it_is_met(database: Database) -> None:
    """So that a filter for its group lets its first event through, in spite of what was read a moment ago."""
    directory = MonitorDirectory(database)
    await plant_monitors(database, [monitor(1, team="shop")])
    await directory.learn([monitor_id_of(1)])
    assert directory.find(monitor_id_of(1)) == MonitorFacts("web", "http", {"team": "shop"})
    await plant_monitors(database, [monitor(2, team="pay")])
    await directory.learn([monitor_id_of(2)])
    assert directory.find(monitor_id_of(2)) == MonitorFacts("web", "http", {"team": "pay"})


async def test_what_was_known_stays_known_whatever_the_database_says(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever watches goes on hearing of what is known."""
    monkeypatch.setattr(monitor_directory, "REFRESH_SECONDS", 0.0)
    directory = MonitorDirectory(database)
    await plant_monitors(database, [monitor(1)])
    await directory.learn([])
    async with database.transaction() as work:
        await work.run("alter table monitors rename column labels to words")
    try:
        await directory.learn([monitor_id_of(2)])
    finally:
        async with database.transaction() as work:
            await work.run("alter table monitors rename column words to labels")
    assert directory.find(monitor_id_of(1)) is not None


async def test_many_are_read_in_parts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, so that no other request waits until they are."""
    monkeypatch.setattr(monitor_directory, "READ_AT_ONCE", 2)
    directory = MonitorDirectory(database)
    await plant_monitors(database, [monitor(number) for number in range(1, 6)])
    await directory.learn([])
    assert all(directory.find(monitor_id_of(number)) for number in range(1, 6))


async def test_a_change_is_known_after_a_while_and_a_deletion_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes are read often, everything seldom."""
    monkeypatch.setattr(monitor_directory, "REFRESH_SECONDS", 0.0)
    directory = MonitorDirectory(database)
    await plant_monitors(database, [monitor(1), monitor(2)])
    await directory.learn([])
    async with database.transaction() as work:
        await work.run("update monitors set group_name = 'db', updated_at = now() where name = 'm1'")
        await work.run("delete from monitors where name = 'm2'")
    await directory.learn([])
    assert directory.find(monitor_id_of(1)) == MonitorFacts("db", "http", {})
    assert directory.find(monitor_id_of(2)) is not None
    monkeypatch.setattr(monitor_directory, "WHOLE_SECONDS", 0.0)
    await directory.learn([])
    assert directory.find(monitor_id_of(2)) is None
