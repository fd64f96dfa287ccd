from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from monitor_data import MonitorData, monitor_id_of, plant_monitors

from api.schemas.uptime import MonitorUptimesView, StateTimelinePage
from shared.domain.monitor.standing import MonitorState, StateChange
from shared.storage.database import Database

MONITOR = monitor_id_of(1)
PATH = f"/api/v1/monitors/{MONITOR}"
HOUR = timedelta(hours=1)
UP, DOWN = MonitorState.UP, MonitorState.DOWN


@pytest.fixture
async def now(database: Database) -> datetime:
    """Up for ten days until now, but for an outage of an hour two days ago and one that began an hour ago."""
    now = datetime.now(UTC).replace(microsecond=0)
    changes = [
        StateChange(now - 240 * HOUR, UP),
        StateChange(now - 48 * HOUR, DOWN, "refused", "connection refused"),
        StateChange(now - 47 * HOUR, UP),
        StateChange(now - HOUR, DOWN, "timeout", "nothing came in 5 s"),
    ]
    await plant_monitors(database, [MonitorData(MONITOR, changes, covered_until=now + HOUR)])
    return now


async def test_uptime_is_told_for_each_window_asked_for(client: httpx2.AsyncClient, now: datetime) -> None:
    """With its coverage, its outages and the seconds of each state."""
    response = await client.get(f"{PATH}/uptime?windows=24h,7d")
    found = MonitorUptimesView.model_validate_json(response.content)
    assert list(found.windows) == ["24h", "7d"]
    day, week = found.windows.values()
    assert (day.ratio, day.coverage, day.outages) == (pytest.approx(23 / 24, abs=1e-3), 1.0, 1)
    assert (week.down_seconds, week.outages) == (pytest.approx(7200, abs=100), 2)
    assert week.start == found.end - timedelta(days=7)


async def test_all_windows_are_told_unless_some_are_named(client: httpx2.AsyncClient, now: datetime) -> None:
    """A window that is longer than the monitor exists is as long as that."""
    windows = (await client.get(f"{PATH}/uptime")).json()["windows"]
    assert list(windows) == ["24h", "7d", "30d", "90d", "365d"]
    assert windows["30d"]["up_seconds"] == windows["365d"]["up_seconds"]
    assert windows["365d"]["coverage"] == 1.0


async def test_a_timeline_lists_each_state_with_its_reason(client: httpx2.AsyncClient, now: datetime) -> None:
    """The newest first; what lasts has no end yet."""
    page = StateTimelinePage.model_validate_json((await client.get(f"{PATH}/timeline")).content)
    assert [(span.state, span.started_at, span.ended_at) for span in page.items] == [
        (DOWN, now - HOUR, None),
        (UP, now - 47 * HOUR, now - HOUR),
        (DOWN, now - 48 * HOUR, now - 47 * HOUR),
        (UP, now - 240 * HOUR, now - 48 * HOUR),
    ]
    assert (page.items[2].code, page.items[2].message, page.items[2].seconds) == ("refused", "connection refused", 3600)


@pytest.mark.parametrize(("path", "count"), [("timeline", 4), ("outages", 2)])
async def test_spans_come_page_by_page(client: httpx2.AsyncClient, now: datetime, path: str, count: int) -> None:
    """Each once, as on one page."""
    whole = (await client.get(f"{PATH}/{path}")).json()["items"]
    pages, cursor = [], ""
    while cursor is not None:
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(f"{PATH}/{path}", params=query)).json()
        pages, cursor = [*pages, *page["items"]], page["next_cursor"]
    assert [each["started_at"] for each in pages] == [each["started_at"] for each in whole]
    assert len(whole) == count


@pytest.mark.parametrize(
    ("path", "hours", "found"),
    [
        ("timeline", (50, 47.5), [DOWN, UP]),
        ("timeline", (47.5, 47.2), [DOWN]),
        ("timeline", (47, 46), [UP]),
        ("outages", (47.5, 47.2), [DOWN]),
        ("outages", (46, 2), []),
        ("outages", (46, 0), [DOWN]),
    ],
)
async def test_a_window_finds_what_reaches_into_it(
    client: httpx2.AsyncClient, now: datetime, path: str, hours: tuple[float, float], found: list[MonitorState]
) -> None:
    """Also what began before it; the spans themselves are told whole."""
    start, end = (now - each * HOUR for each in hours)
    page = (await client.get(f"{PATH}/{path}", params={"start": start.isoformat(), "end": end.isoformat()})).json()
    assert [each["state"] for each in page["items"]] == found


async def test_silence_is_told_before_anybody_has_noted_it(client: httpx2.AsyncClient, database: Database) -> None:
    """As no data since knowledge ended; an outage is over as far as is known."""
    now = datetime.now(UTC)
    await plant_monitors(
        database, [MonitorData(MONITOR, [StateChange(now - 9 * HOUR, DOWN)], covered_until=now - 8 * HOUR)]
    )
    timeline = (await client.get(f"{PATH}/timeline")).json()["items"]
    assert [(each["state"], each["code"]) for each in timeline] == [("no_data", "missed"), ("down", None)]
    assert (timeline[0]["ended_at"], timeline[1]["ended_at"]) == (None, timeline[0]["started_at"])
    (outage,) = (await client.get(f"{PATH}/outages")).json()["items"]
    assert outage["seconds"] == 3600


@pytest.mark.parametrize("path", ["uptime", "timeline", "outages"])
async def test_no_monitor_has_no_timeline(client: httpx2.AsyncClient, path: str) -> None:
    """404, as for any other id."""
    assert (await client.get(f"/api/v1/monitors/{monitor_id_of(9)}/{path}")).status_code == 404


@pytest.mark.parametrize(
    "query", ["uptime?windows=2h", "uptime?windows=24h,", "timeline?start=yesterday", "outages?x=1"]
)
async def test_a_wrong_question_is_refused(client: httpx2.AsyncClient, now: datetime, query: str) -> None:
    """422, with the parameter."""
    assert (await client.get(f"{PATH}/{query}")).status_code == 422
