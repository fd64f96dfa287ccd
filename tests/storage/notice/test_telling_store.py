"""Who is owed which news, as it is noted when alerts fire and resolve."""

import asyncio
from datetime import timedelta

from notice_site import NoticeSite, subject

from shared.domain.job.jobs import DEFAULT_PRIORITY
from shared.storage.database import Database


async def test_a_firing_makes_one_notice_with_its_job(database: Database) -> None:
    """The notice waits, carried by a job under its own id, rung at once where the channel waits for nobody."""
    site = NoticeSite(database)
    channel_id = await site.channel()
    [alert_id] = await site.fire(subject())
    [notice] = await site.notices()
    assert (notice.state, notice.kind, notice.channel_id) == ("waiting", "alert", channel_id)
    assert (notice.job_state, notice.max_attempts, notice.limit_key) == ("queued", 40, None)
    assert notice.effect_id == notice.notice_id
    assert notice.priority > DEFAULT_PRIORITY
    assert notice.job_labels == {"channel": "ops"}
    assert [ring.job_id for ring in site.rings] == [notice.job_id]
    [telling] = await site.tellings()
    assert (telling.alert_id, telling.channel_id, telling.group_id) == (alert_id, channel_id, notice.group_id)


async def test_a_group_waits_for_others_and_has_one_notice(database: Database) -> None:
    """What fires meanwhile, in later transactions too, belongs to the notice that waits."""
    site = NoticeSite(database)
    await site.channel(group_wait="30s", rate_limit={"notices": 5, "per": "1m"})
    await site.fire(subject("a"), subject("b"))
    await site.fire(subject("c"))
    [notice] = await site.notices()
    assert notice.job_state == "scheduled"
    assert notice.run_at - notice.created_at == timedelta(seconds=30)
    assert notice.limit_key == f"channel:{notice.channel_id}"
    assert site.rings == []
    assert len(await site.tellings()) == 3


async def test_channels_are_found_by_name_and_by_their_matchers(database: Database) -> None:
    """A channel hears of what a rule sends it, and of what it chooses by labels; once of each alert."""
    site = NoticeSite(database)
    named = await site.channel("ops")
    choosing = await site.channel("web", matchers="team=web")
    both = await site.channel("all", matchers="severity=warning")
    await site.set("update channels set deleted_at = now() where channel_id = $1", await site.channel("gone"))
    await site.fire(subject("a", channels=["ops", "all", "gone"], team="web"), subject("b", channels=[], team="db"))
    tellings = await site.tellings()
    assert sorted(each.channel_id for each in tellings) == sorted([named, choosing, both, both])


async def test_groups_are_of_like_labels(database: Database) -> None:
    """`group_by` parts alerts by its labels; `...` tells each alone."""
    site = NoticeSite(database)
    await site.channel("teams", group_by=["team"])
    await site.channel("each", group_by=["..."])
    told = ["teams", "each"]
    await site.fire(
        *(subject(host, team=team, channels=told) for host, team in [("a", "web"), ("b", "web"), ("c", "db")])
    )
    await site.fire(subject("d", channels=told))
    rows = await site.rows("select name, g.labels from alert_groups g join channels using (channel_id) order by 1")
    assert [row.name for row in rows] == ["each"] * 4 + ["teams"] * 3
    assert sorted(str(row.labels) for row in rows[4:]) == ["{'team': 'db'}", "{'team': 'web'}", "{}"]


async def test_many_at_once_from_all_sides_neither_wait_for_each_other_nor_double(database: Database) -> None:
    """Transactions that fire alerts of the same groups in any order make one notice a group."""
    site = NoticeSite(database)
    await site.channel("teams", group_by=["team"], group_wait="1m")
    teams = [f"t{number}" for number in range(6)]
    batches = [
        [subject(f"h{batch}", team=team, channels=["teams"]) for team in (teams if batch % 2 else teams[::-1])]
        for batch in range(6)
    ]
    async with asyncio.timeout(30):
        await asyncio.gather(*(site.fire(*batch) for batch in batches))
    assert len(await site.notices()) == 6
    assert len(await site.tellings()) == 36
