"""Coverage over HTTP."""

import httpx2
import pytest
from schedule_bench import SECOND, scheduling, turn_clock, watch, work_off

from api.schemas.coverage import CoveragePage
from shared.domain.monitor.slots import GapReason
from shared.storage.database import Database

COVERAGE = "/api/v1/coverage"


async def test_coverage_tells_of_all_and_of_each(client: httpx2.AsyncClient, database: Database) -> None:
    """Slots by what became of them, and how the schedule itself stands."""
    monitors = await watch(database, 3)
    await turn_clock(database, 60)
    await scheduling(database).run()
    await work_off(database)
    answer = await client.get(COVERAGE, params={"window": "10m"})
    page = CoveragePage.model_validate(answer.json(), strict=False)
    assert page.monitors == len(page.items) == len(monitors)
    # Slots of the coming second are looked at, too; each monitor's may have come meanwhile.
    assert 3 <= page.total.on_time <= 6
    assert page.total.missed[GapReason.LATE] in {12, 15}
    assert page.total.expected == page.total.on_time + page.total.missed[GapReason.LATE] + page.total.pending
    assert {item.monitor_id for item in page.items} == {monitor.monitor_id for monitor in monitors}
    assert page.scheduled_at is not None
    assert page.overloaded_since is None


async def test_a_group_a_label_or_one_monitor_can_be_asked_for(client: httpx2.AsyncClient, database: Database) -> None:
    """All that is given has to hold."""
    monitors = await watch(database, 3)
    async with database.transaction() as work:
        await work.run(
            "update monitors set group_name = 'web', labels = '{\"team\": \"a\"}' where monitor_id = $1",
            monitors[0].monitor_id,
        )
    counts = {
        query: (await client.get(f"{COVERAGE}?{query}")).json()["monitors"]
        for query in (
            "group=web",
            "group=",
            "label=team:a",
            "label=!team",
            f"monitor={monitors[1].monitor_id}",
            f"monitor={monitors[1].monitor_id}&group=web",
        )
    }
    assert list(counts.values()) == [1, 2, 1, 2, 1, 0]


@pytest.mark.parametrize("order", ["worst", "name"])
async def test_monitors_are_listed_page_by_page(client: httpx2.AsyncClient, database: Database, order: str) -> None:
    """Each once; the whole is told with every page."""
    await watch(database, 5, interval=10 * SECOND)
    first = (await client.get(COVERAGE, params={"limit": 3, "order": order})).json()
    following = {"limit": 3, "order": order, "cursor": first["next_cursor"]}
    rest = (await client.get(COVERAGE, params=following)).json()
    ids = [item["monitor_id"] for item in first["items"] + rest["items"]]
    assert len(set(ids)) == len(ids) == 5
    assert (first["monitors"], rest["monitors"], rest["next_cursor"]) == (5, 5, None)


@pytest.mark.parametrize(
    "query", ["window=0s", "window=soon", "label=%00", "monitor=7", "order=best", "cursor=x", "x=1"]
)
async def test_wrong_questions_are_refused(client: httpx2.AsyncClient, query: str) -> None:
    """With what is wrong with them."""
    answer = await client.get(f"{COVERAGE}?{query}")
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
