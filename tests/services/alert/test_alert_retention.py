"""Alerts that are over are forgotten when their time is over, with all that hangs on them; nothing that is owed is."""

import asyncio
from uuid import UUID

import pytest
from alert_data import RULE, ends, fires, pends, subject_of
from uuid_utils.compat import uuid7

from shared.domain.alert.alert_changes import AlertChange
from shared.domain.alert.alerts import Transition
from shared.services.alert import alert_retention
from shared.services.alert.alert_retention import AlertRetention
from shared.storage.alert.alert_store import AlertStore
from shared.storage.database import Database

DAYS = 30


async def run(database: Database, statement: str, *values: object) -> None:
    async with database.transaction() as work:
        await work.run(statement, *values)


async def rows(database: Database, statement: str) -> set[object]:
    async with database.transaction() as work:
        return {row[0] for row in await work.fetch(statement)}


async def ended(database: Database, number: int, *, days_ago: float, has_fired: bool = True) -> UUID:
    """An alert that ended so many days ago."""
    begun = fires(subject_of(number)) if has_fired else pends(subject_of(number))
    end = ends(begun.alert_id, minute=1, transition=Transition.RESOLVE if has_fired else Transition.CLEAR)
    await apply(database, begun, end)
    await run(
        database,
        "update alerts set resolved_at = now() - $2 * interval '1 day' where alert_id = $1",
        begun.alert_id,
        days_ago,
    )
    return begun.alert_id


async def apply(database: Database, *changes: AlertChange) -> None:
    async with database.transaction() as work:
        await AlertStore(work).apply(changes)


async def telling(database: Database, alert_id: UUID, *, is_settled: bool) -> None:
    await run(
        database,
        "insert into tellings (alert_id, channel_id, group_id, wanted_at, is_settled) values ($1, $2, $2, now(), $3)",
        alert_id,
        uuid7(),
        is_settled,
    )


@pytest.fixture
def retention(database: Database) -> AlertRetention:
    return AlertRetention(database, alert_days=DAYS)


async def test_alerts_that_are_over_are_deleted_after_their_days(database: Database, retention: AlertRetention) -> None:
    """Old ones go with their history, young ones and open ones stay; several workers at once delete each once."""
    old = await ended(database, 0, days_ago=DAYS + 1)
    await telling(database, old, is_settled=True)
    young = await ended(database, 1, days_ago=DAYS - 1)
    still_open = fires(subject_of(2))
    await apply(database, still_open)
    assert sum(await asyncio.gather(*(retention.forget_alerts() for _ in range(4)))) == 1
    kept = {young, still_open.alert_id}
    assert await rows(database, "select alert_id from alerts") == kept
    assert await rows(database, "select alert_id from alert_events") == kept
    assert await rows(database, "select alert_id from tellings") == set()


async def test_what_never_fired_is_kept_for_a_day(database: Database, retention: AlertRetention) -> None:
    """There may be very many of them; so it is also where all others are kept for ever."""
    await ended(database, 0, days_ago=1.1, has_fired=False)
    young = await ended(database, 1, days_ago=0.9, has_fired=False)
    fired = await ended(database, 2, days_ago=DAYS + 1)
    assert await AlertRetention(database, alert_days=0).forget_alerts() == 1
    assert await rows(database, "select alert_id from alerts") == {young, fired}


async def test_an_alert_is_kept_as_long_as_somebody_is_owed_word_of_it(
    database: Database, retention: AlertRetention
) -> None:
    """However long its channel has been away."""
    owed = await ended(database, 0, days_ago=DAYS + 100)
    await telling(database, owed, is_settled=False)
    assert await retention.forget_alerts() == 0
    await run(database, "update tellings set is_settled = true")
    assert await retention.forget_alerts() == 1


async def test_notices_that_ended_are_deleted_after_their_days(database: Database, retention: AlertRetention) -> None:
    """Those that are on their way stay, however old."""
    await run(
        database,
        """
        insert into notices (notice_id, channel_id, job_id, kind, state, flush_at, ended_at)
        select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'alert', state, now(),
               now() - days * interval '1 day'
        from (values ('delivered', 31), ('failed', 29), ('waiting', null)) as n (state, days)
        """,
    )
    assert await retention.forget_alerts() == 1
    assert await rows(database, "select state from notices") == {"failed", "waiting"}


async def test_a_deleted_rule_is_kept_until_no_alert_speaks_of_it(
    database: Database, retention: AlertRetention
) -> None:
    """Nor a judgement; one that is not deleted always."""
    await run(
        database,
        """
        insert into alert_rules (rule_id, name, spec, created_by, deleted_at)
        values ($1, 'slow', '{}', 'tests', now() - interval '2 hours'),
               ($2, 'just now', '{}', 'tests', now()), ($3, 'there', '{}', 'tests', null)
        """,
        RULE,
        uuid7(),
        uuid7(),
    )
    await run(
        database,
        "insert into alert_rule_versions (rule_id, version, spec, by) select rule_id, 1, '{}', 'me' from alert_rules",
    )
    await ended(database, 0, days_ago=DAYS - 1)
    assert await retention.forget_alerts() == 0
    await run(database, "update alerts set resolved_at = now() - interval '31 days'")
    assert await retention.forget_alerts() == 2
    assert await rows(database, "select name from alert_rules") == {"just now", "there"}
    assert len(await rows(database, "select rule_id from alert_rule_versions")) == 2


async def test_a_deleted_channel_is_kept_until_it_owes_nothing(database: Database, retention: AlertRetention) -> None:
    """It goes with its groups."""
    channel_id, group_id = uuid7(), uuid7()
    await run(
        database,
        """
        insert into channels (channel_id, name, kind, config, shown, options, created_by, deleted_at)
        values ($1, 'ops', 'webhook', '{}', '{}', '{}', 'tests', now() - interval '2 hours')
        """,
        channel_id,
    )
    await run(
        database,
        "insert into alert_groups (group_id, channel_id, key, labels) values ($1, $2, '', '{}')",
        group_id,
        channel_id,
    )
    firing = fires(subject_of())
    await apply(database, firing)
    await run(
        database,
        "insert into tellings (alert_id, channel_id, group_id, wanted_at) values ($1, $2, $3, now())",
        firing.alert_id,
        channel_id,
        group_id,
    )
    assert await retention.forget_alerts() == 0
    await run(database, "update tellings set is_settled = true")
    assert await retention.forget_alerts() == 1
    assert await rows(database, "select group_id from alert_groups") == set()


async def test_a_batch_is_bounded(
    database: Database, retention: AlertRetention, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left is told by the number, so that it is called again."""
    monkeypatch.setattr(alert_retention, "AT_ONCE", 2)
    for number in range(3):
        await ended(database, number, days_ago=DAYS + 1)
    assert [await retention.forget_alerts() for _ in range(3)] == [2, 1, 0]
