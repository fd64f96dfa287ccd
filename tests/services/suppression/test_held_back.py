"""What holds a firing back, from the firing to the receiver: by each kind, and told once it has ended."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from http_servers import serve
from monitor_data import MonitorData, monitor_id_of, plant_monitors
from notice_bench import NoticeBench, Receiver
from notice_site import NoticeSite, subject
from uuid_utils.compat import uuid7

from shared.domain.matchers import parse_matchers
from shared.domain.monitor.standing import MonitorState, StateChange
from shared.domain.suppression.inhibitions import Inhibition
from shared.domain.suppression.maintenance import Maintenance
from shared.services.suppression.maintenance import Maintenances
from shared.storage.suppression.inhibition_store import InhibitionStore
from shared.storage.suppression.maintenance_store import MaintenanceStore

MINUTE = timedelta(minutes=1)
End = Callable[[], Awaitable[object]]
Begin = Callable[[NoticeSite], Awaitable[tuple[UUID, End]]]


def now() -> datetime:
    """Now."""
    return datetime.now(UTC)


async def maintain(site: NoticeSite) -> tuple[UUID, End]:
    """A window on the monitor, which somebody ends."""
    shop = parse_matchers("monitor=shop")
    window = Maintenance(uuid7(), "why", shop, now() - MINUTE, now() + MINUTE, now(), "tests")
    async with site.database.transaction() as work:
        await MaintenanceStore(work).insert(window)
    maintenances = Maintenances(site.database, clock=now)
    return window.maintenance_id, lambda: maintenances.end(window.maintenance_id)


async def inhibit(site: NoticeSite) -> tuple[UUID, End]:
    """Another alert that explains it, told to nobody because its own channel is another one, which resolves."""
    await _add(site, source="alertname=site-down")
    [alert_id] = await site.fire(subject("dc", alertname="site-down", site="a"))
    return alert_id, lambda: site.resolve(alert_id)


async def depend(site: NoticeSite) -> tuple[UUID, End]:
    """A monitor before it that is down, and comes up."""
    await _add(site, depends_on="role=router")
    router = monitor_id_of(1)
    down = [StateChange(now() - MINUTE, MonitorState.DOWN)]
    await plant_monitors(site.database, [MonitorData(router, down, name="r1", labels={"role": "router", "site": "a"})])
    return router, lambda: site.set("update monitor_states set state = $1", MonitorState.UP.code)


async def _add(site: NoticeSite, **cause: str) -> None:
    causes = {name: parse_matchers(text) for name, text in cause.items()}
    source, depends_on = causes.get("source"), causes.get("depends_on")
    target = parse_matchers("monitor=shop")
    async with site.database.transaction() as work:
        assert await InhibitionStore(work).put(
            Inhibition(uuid7(), "why", source, depends_on, target, ("site",), now(), "tests")
        )


@pytest.mark.parametrize(
    ("begin", "kind"), [(maintain, "maintenance"), (inhibit, "inhibition"), (depend, "dependency")]
)
async def test_a_firing_that_is_held_back_is_told_when_that_ends(notices: NoticeBench, begin: Begin, kind: str) -> None:
    """Until then nothing is told, and by what it is held back is written down; its resolve is told in any case."""
    receiver = Receiver()
    async with serve(receiver) as server:
        cause_id, end = await begin(notices.site)
        await notices.site.channel(url=server.url())
        [alert_id] = await notices.site.fire(subject("a", monitor="shop", group="", site="a"))
        await notices.run()
        assert receiver.told == []
        (telling,) = [each for each in await notices.site.tellings() if each.alert_id == alert_id]
        assert [(each["kind"], each["name"], each["id"]) for each in telling.suppressed] == [
            (kind, "why", str(cause_id))
        ]
        await end()
        await notices.upkeep.recheck()
        await notices.run()
        assert receiver.told == [("a", "firing")]
        await notices.site.resolve(alert_id)
        await notices.run()
    assert receiver.told == [("a", "firing"), ("a", "resolved")]
