"""Alerts explained, from the samples to what is still owed."""

from uuid import UUID

import pytest
from judged_site import JudgedSite
from notice_bench import NoticeBench
from notice_site import subject
from uuid_utils.compat import uuid7

from shared.domain.notice.owed import Owed
from shared.services.alert.explain import MAX_SAMPLES, Explaining
from shared.services.alert.explanation import Explanation
from shared.storage.database import Database
from shared.storage.rule.rule_store import RuleStore

SLOW = "mean(duration_ms, 1m) > 300"


@pytest.fixture
def judged(notices: NoticeBench) -> JudgedSite:
    return JudgedSite(notices.bench.database)


async def explain(database: Database, alert_id: UUID) -> Explanation:
    explained = await Explaining(database).explain(alert_id)
    assert explained is not None
    return explained


def owed(explained: Explanation) -> list[Owed]:
    return [telling.debt({}).owed(explained.alert.state) for telling in explained.tellings]


async def test_a_firing_alert_tells_its_numbers_and_who_was_told(notices: NoticeBench, judged: JudgedSite) -> None:
    """The samples of the window, the numbers then and now, the tries, and that its end is owed."""
    await judged.watch()
    async with notices.receiving(status="503 Service Unavailable") as receiver:
        await judged.rule(SLOW)
        await judged.sample(100, 100, 100, 1000)
        [alert_id] = await judged.alert_ids()
        await notices.try_all()
        waiting = await explain(judged.database, alert_id)
        receiver.status = "200 OK"
        await notices.run()
    explained = await explain(judged.database, alert_id)
    assert explained.version is not None
    assert explained.rule is not None
    assert explained.fired_by is not None
    assert [each.duration_ms for each in explained.fired_by.samples] == [100, 100, 100, 1000]
    assert explained.fired_by.end == explained.alert.fired_at
    [notice] = explained.notices
    assert [tried.outcome.value for tried in notice.tries] == ["failed", "succeeded"]
    assert owed(explained) == [Owed.RESOLVE_WHEN_OVER]
    told = " ".join(explained.summary)
    assert '"slow" on shop (web) fires since' in told
    assert "mean(duration_ms, 1m) is 325, above 300 (4 samples)" in told
    assert "ops: told that it fires at" in told
    assert "(2 tries); it will be told when it is over." in told
    assert any("not yet told that it fires: 1 try so far" in sentence for sentence in waiting.summary)


async def test_what_the_rule_says_now_is_told_beside_what_it_fired_by(judged: JudgedSite) -> None:
    """The window has moved on since."""
    await judged.watch()
    await judged.rule(SLOW, keep_firing_for="1h")
    await judged.sample(1000)
    await judged.sample(*[100] * 59)
    [alert_id] = await judged.alert_ids()
    explained = await explain(judged.database, alert_id)
    assert explained.now is not None
    assert explained.now.verdict == "not_met"
    assert explained.alert.evidence["comparisons"][0]["value"] == 1000
    assert any("Now mean(duration_ms, 1m) is 100" in sentence for sentence in explained.summary)


async def test_what_holds_a_firing_back_is_named(notices: NoticeBench, judged: JudgedSite) -> None:
    """Nobody was told, because of what, and what follows."""
    await judged.watch()
    await notices.site.channel()
    await notices.site.silence("team=web")
    await judged.rule(SLOW)
    await judged.sample(1000)
    [alert_id] = await judged.alert_ids()
    await notices.run()
    explained = await explain(judged.database, alert_id)
    assert owed(explained) == [Owed.FIRING_IF_IT_LASTS]
    [telling] = explained.tellings
    assert [hold.kind for hold in telling.held_back_by] == ["silence"]
    assert "suppressed" in [event.kind for event in explained.events]
    assert any("not told that it fires because of a silence" in sentence for sentence in explained.summary)
    await judged.sample(*[10] * 10)
    await notices.run()
    over = await explain(judged.database, alert_id)
    assert owed(over) == [Owed.NOTHING]
    assert any("never told: it was over before the end of a silence" in sentence for sentence in over.summary)


async def test_a_pending_alert_says_what_it_waits_for(judged: JudgedSite) -> None:
    """Nobody is told yet, and when that changes."""
    await judged.watch()
    await judged.rule(SLOW, **{"for": "1h"})
    await judged.sample(1000)
    [alert_id] = await judged.alert_ids()
    explained = await explain(judged.database, alert_id)
    assert explained.tellings == []
    assert "It fires, and people are told, when it was met for 1h." in explained.summary[0]


async def test_rules_and_monitors_may_be_gone(judged: JudgedSite) -> None:
    """What is no longer known is said, the rest is told."""
    await judged.watch()
    rule_id = await judged.rule(SLOW)
    await judged.sample(1000)
    [alert_id] = await judged.alert_ids()
    async with judged.database.transaction() as work:
        await RuleStore(work).mark_deleted(rule_id)
        await work.run("delete from monitors")
    explained = await explain(judged.database, alert_id)
    assert (explained.rule, explained.now, explained.fired_by) == (None, None, None)
    assert explained.version is not None
    assert "Its rule has been deleted since." in explained.summary
    assert "Its monitor has been deleted since, and with it the samples that it fired by." in explained.summary


async def test_samples_that_are_no_longer_kept_are_missed(judged: JudgedSite) -> None:
    """Nobody takes an empty list for a window without samples."""
    await judged.watch()
    await judged.rule(SLOW)
    await judged.sample(1000)
    [alert_id] = await judged.alert_ids()
    await Explaining(judged.database).explain(alert_id)
    await judged.notices.set("update rollup_state set samples_from = now()")
    explained = await explain(judged.database, alert_id)
    assert explained.fired_by is not None
    assert list(explained.fired_by.samples) == []
    assert "The samples that it fired by are older than samples are kept." in explained.summary


async def test_many_samples_are_cut_to_the_latest(judged: JudgedSite) -> None:
    """And there being more is said."""
    await judged.watch()
    await judged.rule("count(1h) > 249")
    await judged.sample(*range(250))
    [alert_id] = await judged.alert_ids()
    fired_by = (await explain(judged.database, alert_id)).fired_by
    assert fired_by is not None
    assert fired_by.has_more
    assert [each.duration_ms for each in fired_by.samples] == list(range(250 - MAX_SAMPLES, 250))


async def test_an_alert_from_elsewhere_is_explained_as_far_as_it_is_known(notices: NoticeBench) -> None:
    """Its numbers are not ours."""
    [alert_id] = await notices.site.fire(subject("a", channels=[]))
    explained = await explain(notices.bench.database, alert_id)
    assert (explained.version, explained.rule, explained.now, explained.fired_by) == (None, None, None, None)
    assert explained.summary[1:] == [
        "Another system has judged and sent it in; only that one knows its numbers.",
        "Nobody is told of it: when it fired, no channel's matchers fitted its labels.",
    ]


async def test_an_alert_that_is_not_there_is_not_explained(database: Database) -> None:
    """There is nothing to say."""
    assert await Explaining(database).explain(uuid7()) is None
