"""Looks that were under way while a rule or a monitor changed are judged as of their slots."""

from alert_site import AlertSite
from round_site import slot_now

from shared.domain.target.outcome import Outcome
from shared.storage.database import Database


async def test_a_look_under_way_while_its_rule_is_edited_is_judged_as_of_its_slot(database: Database) -> None:
    """The sweep does not judge beyond the slot that waits for its look; so the timeline and the alert agree."""
    site = await AlertSite(database).open()
    site.start = slot_now(-15)
    monitor_id = await site.monitor()
    rule_id = await site.rule("state == down", flapping=None)
    await site.looks(monitor_id, 0, outcome=Outcome.DOWN)
    await site.edit(rule_id, "state == down", description="said otherwise", flapping=None)
    await site.sweep()
    await site.looks(monitor_id, 10)
    assert await site.steps() == [(monitor_id, "fire", 0), (monitor_id, "resolve", 10)]


async def test_a_firing_under_way_while_its_rule_is_edited_is_judged_as_of_its_slot(database: Database) -> None:
    """The same for a look that finds its target down."""
    site = await AlertSite(database).open()
    site.start = slot_now(-25)
    monitor_id = await site.monitor()
    rule_id = await site.rule("state == down", flapping=None)
    await site.looks(monitor_id, -10, outcome=Outcome.DOWN)
    await site.looks(monitor_id, 0)
    await site.edit(rule_id, "state == down", description="said otherwise", flapping=None)
    await site.sweep()
    await site.looks(monitor_id, 10, outcome=Outcome.DOWN)
    assert await site.steps() == [
        (monitor_id, "fire", -10),
        (monitor_id, "resolve", 0),
        (monitor_id, "fire", 10),
    ]
