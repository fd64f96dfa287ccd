import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random

import httpx2
import pytest
from api_client import ADMIN_KEY, MakeServices, OpenClient
from monitor_data import MonitorData, monitor_id_of, plant_monitors, random_monitors

from api.schemas.overview import OverviewGroupsView, OverviewView
from api.services import ApiServices
from shared.domain.monitor.beats import Beat, pack_beats
from shared.domain.monitor.standing import MonitorState, StateChange
from shared.domain.target.outcome import Outcome
from shared.services.monitor.overview import Overview
from shared.storage.database import Database
from shared.storage.errors import StorageUnavailableError
from shared.storage.slow_queries import SlowQueries

PATH = "/api/v1/overview"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


async def test_a_monitor_is_shown_with_all_that_a_list_of_them_needs(
    client: httpx2.AsyncClient, database: Database, now: datetime
) -> None:
    """State, newest samples from the oldest on, mean duration without errors of ours, uptime with its coverage."""
    beats = [
        Beat(now, Outcome.UP, 30.25),
        Beat(now - MINUTE, Outcome.ERROR, 5000.0),
        Beat(now - 2 * MINUTE, Outcome.DOWN, None),
        Beat(now - 3 * MINUTE, Outcome.DEGRADED, 10.75),
    ]
    changes = [
        StateChange(now - 12 * HOUR, MonitorState.UP),
        StateChange(now - 6 * HOUR, MonitorState.DOWN),
        StateChange(now - 3 * HOUR, MonitorState.UP),
    ]
    await plant_monitors(
        database,
        [
            MonitorData(
                monitor_id_of(1), changes, name="shop", group="web", labels={"team": "web"}, covered_until=now + HOUR,
                beats=pack_beats(beats), last=(now, 30.25, Outcome.UP.code),
            )
        ],
    )  # fmt: skip
    response = await client.get(PATH)
    (item,) = OverviewView.model_validate_json(response.content).items
    shown = response.json()["items"][0]
    assert (item.group, item.name, item.kind, item.labels) == ("web", "shop", "http", {"team": "web"})
    assert (item.state, item.since, item.latency_ms) == (MonitorState.UP, now - 3 * HOUR, 20.5)
    assert shown["beats"] == {
        "start": int((now - 3 * MINUTE).timestamp()),
        "times": [0, 60, 120, 180],
        "outcomes": "gdeu",
        "durations": [10.75, None, 5000.0, 30.25],
    }
    assert shown["last"] == {"at": now.isoformat().replace("+00:00", "Z"), "outcome": "up", "duration_ms": 30.25}
    for window in ("24h", "30d"):
        assert item.uptime[window].ratio == pytest.approx(0.75, abs=1e-3)
        assert item.uptime[window].coverage == 1.0


async def test_beats_belong_to_their_monitor(client: httpx2.AsyncClient, database: Database, now: datetime) -> None:
    """However many each has; none is as good as fifty."""
    counts = [0, 3, 50, 0, 1, 2, 0]
    random = Random(1)
    packed = [
        [Beat(now - age * MINUTE, random.choice(list(Outcome)), float(number)) for age in range(count)]
        for number, count in enumerate(counts)
    ]
    changes = [StateChange(now - HOUR, MonitorState.UP)]
    await plant_monitors(
        database,
        [
            MonitorData(monitor_id_of(number), changes, name=f"m{number}", beats=pack_beats(beats))
            for number, beats in enumerate(packed)
        ],
    )
    items = OverviewView.model_validate_json((await client.get(PATH)).content).items
    assert [len(item.beats.times) for item in items] == counts
    assert [len(item.beats.outcomes) for item in items] == counts
    for number, (item, beats) in enumerate(zip(items, packed, strict=True)):
        assert item.beats.start == (int(beats[-1].at.timestamp()) if beats else None)
        assert set(item.beats.durations) <= {float(number)}
        counted = [beat for beat in beats if beat.outcome is not Outcome.ERROR]
        assert item.latency_ms == (number if counted else None)


async def test_pages_lead_on_and_totals_are_of_all(
    client: httpx2.AsyncClient, database: Database, now: datetime
) -> None:
    """In the order of group and name, each once; with `whole` all at once."""
    await plant_monitors(database, list(random_monitors(25, now=now, changes=3)))
    whole = OverviewView.model_validate_json((await client.get(f"{PATH}?whole=true")).content)
    pages: list[OverviewView] = []
    query: dict[str, str | int] = {"limit": 10}
    while not pages or pages[-1].next_cursor:
        pages.append(OverviewView.model_validate_json((await client.get(PATH, params=query)).content))
        query["cursor"] = pages[-1].next_cursor or ""
    assert [len(page.items) for page in pages] == [10, 10, 5]
    assert [item.id for page in pages for item in page.items] == [item.id for item in whole.items]
    assert [(item.group, item.name) for item in whole.items] == sorted((i.group, i.name) for i in whole.items)
    assert {page.monitors for page in pages} == {25}
    assert {sum(page.totals.model_dump().values()) for page in pages} == {25}


@pytest.fixture
async def some(database: Database, now: datetime) -> None:
    """Two groups and two teams; one monitor was up and fell silent an hour ago."""
    states = [MonitorState.UP, MonitorState.DOWN, MonitorState.UP, MonitorState.PAUSED]
    await plant_monitors(
        database,
        [
            MonitorData(
                monitor_id_of(number), [StateChange(now - 9 * HOUR, state)], name=f"m{number}", group="ab"[number // 2],
                labels={"team": "web"} if number % 2 else {"team": "db", "tier": "1"},
                covered_until=now - HOUR if number == 2 else now + HOUR,
            )
            for number, state in enumerate(states)
        ],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "names", "monitors"),
    [
        ("", ["m0", "m1", "m2", "m3"], 4),
        ("group=a", ["m0", "m1"], 2),
        ("label=team:db", ["m0", "m2"], 2),
        ("label=!tier", ["m1", "m3"], 2),
        ("state=up", ["m0"], 4),
        ("state=no_data&state=down", ["m1", "m2"], 4),
        ("group=b&state=paused", ["m3"], 2),
        ("q=M3", ["m3"], 1),
        ("kind=file", [], 0),
    ],
)
async def test_monitors_are_chosen_and_counted(
    client: httpx2.AsyncClient, some: None, query: str, names: list[str], monitors: int
) -> None:
    """A state narrows what is listed and not what is counted, so that one answer fills all tabs of a page."""
    found = OverviewView.model_validate_json((await client.get(f"{PATH}?{query}")).content)
    assert [item.name for item in found.items] == names
    assert found.monitors == monitors


async def test_silence_is_told_as_such(client: httpx2.AsyncClient, some: None, now: datetime) -> None:
    """Before anybody has noted it: state, since when, why, and the totals."""
    found = OverviewView.model_validate_json((await client.get(PATH)).content)
    silent = found.items[2]
    assert (silent.state, silent.since, silent.code) == (MonitorState.NO_DATA, now - HOUR, "missed")
    assert (found.totals.up, found.totals.no_data, found.totals.down, found.totals.paused) == (1, 1, 1, 1)
    assert silent.uptime["24h"].ratio == 1.0
    assert silent.uptime["24h"].coverage == pytest.approx(8 / 9, abs=1e-3)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("by=group", [("a", 2, 1, 1), ("b", 2, 0, 0)]),
        ("by=group&state=down", [("a", 1, 0, 1)]),
        ("by=label:team", [("db", 2, 1, 0), ("web", 2, 0, 1)]),
        ("by=label:tier", [("1", 2, 1, 0)]),
        ("by=label:team&group=a", [("db", 1, 1, 0), ("web", 1, 0, 1)]),
    ],
)
async def test_groups_are_counted(
    client: httpx2.AsyncClient, some: None, query: str, found: list[tuple[str, int, int, int]]
) -> None:
    """By group or by the values of a label; who lacks the label is left out."""
    answer = OverviewGroupsView.model_validate_json((await client.get(f"{PATH}/groups?{query}")).content)
    assert [
        (each.group or each.label, each.monitors, each.totals.up, each.totals.down) for each in answer.items
    ] == found
    assert not answer.truncated


@pytest.mark.parametrize("query", ["", "/groups", "/groups?by=label:team"])
async def test_nothing_is_an_answer(client: httpx2.AsyncClient, query: str) -> None:
    """An installation begins without monitors."""
    assert (await client.get(PATH + query)).json()["items"] == []


@pytest.mark.parametrize(
    "query", ["?state=sick", "?label=:", "?cursor=x", "/groups?by=colour", "/groups?by=label:", "?by=group"]
)
async def test_a_wrong_question_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    """With a status that says so."""
    assert (await client.get(PATH + query)).status_code in {400, 422}


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are run."""
    seen: list[str] = []
    watched = SlowQueries.watched
    monkeypatch.setattr(SlowQueries, "watched", lambda self, sql: (seen.append(sql), watched(self, sql))[1])
    return seen


@pytest.mark.parametrize("count", [1, 300])
async def test_any_number_of_monitors_costs_the_same_statements(
    client: httpx2.AsyncClient, database: Database, now: datetime, statements: list[str], count: int
) -> None:
    """Three that read, three that set what a statement may take."""
    await plant_monitors(database, list(random_monitors(count, now=now, changes=5)))
    statements.clear()
    assert (await client.get(f"{PATH}?whole=true")).json()["monitors"] == count
    assert len(statements) == 6


@pytest.fixture
async def patient(make_services: MakeServices, open_client: OpenClient) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a process whose second lasts as long as the test."""
    services = make_services()
    services.kept_answers._fresh_seconds = 60.0
    async with open_client(services, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as client:
        yield client


async def test_many_who_ask_at_once_cost_one_reading(
    patient: httpx2.AsyncClient, some: None, statements: list[str]
) -> None:
    """And those who ask soon after cost none; another question is another reading."""
    await patient.get("/api/v1/keys")
    statements.clear()
    answers = await asyncio.gather(*(patient.get(f"{PATH}?group=a") for _ in range(100)))
    assert {answer.content for answer in answers} == {answers[0].content}
    assert len(statements) == 6
    await patient.get(f"{PATH}?group=b")
    assert len(statements) == 12


async def test_who_leaves_takes_no_answer_away(patient: httpx2.AsyncClient, some: None) -> None:
    """The reading goes on for the others."""
    asking = [asyncio.create_task(patient.get(PATH)) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [getattr(answer, "status_code", None) for answer in answers[1:]] == [200, 200]


async def test_an_answer_is_as_fresh_as_a_second(client: httpx2.AsyncClient, services: ApiServices, some: None) -> None:
    """What is older is read anew."""
    services.kept_answers._fresh_seconds = 0.0
    before = (await client.get(PATH)).json()
    async with services.context.database.transaction() as work:
        await work.run("delete from monitors")
    assert (before["monitors"], (await client.get(PATH)).json()["monitors"]) == (4, 0)


async def test_beats_are_written_anew_where_they_changed(
    client: httpx2.AsyncClient, services: ApiServices, database: Database, now: datetime
) -> None:
    """Also where more monitors are shown than are remembered, in whatever order they changed."""
    services.kept_answers._fresh_seconds = 0.0
    services.overview_writer._most = 3
    monitors = list(random_monitors(5, now=now, changes=3))
    await plant_monitors(database, monitors)
    before = [item["beats"] for item in (await client.get(PATH)).json()["items"]]
    beats = pack_beats([Beat(now, Outcome.DOWN, 1.5)])
    async with database.transaction() as work:
        statement = "update monitor_states set beats = $1 where monitor_id = any($2::uuid[])"
        await work.run(statement, beats, [monitors[1].monitor_id, monitors[4].monitor_id])
    after = [item["beats"] for item in (await client.get(PATH)).json()["items"]]
    changed = {"start": int(now.timestamp()), "times": [0], "outcomes": "d", "durations": [1.5]}
    assert after == [before[0], changed, *before[2:4], changed]


async def test_what_has_not_changed_is_not_sent_again(patient: httpx2.AsyncClient, some: None) -> None:
    """304 to who has it; the tag is the same with and without compression."""
    first = await patient.get(PATH)
    again = await patient.get(PATH, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await patient.get(PATH, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_large_answers_are_compressed_for_who_takes_it(
    patient: httpx2.AsyncClient, database: Database, now: datetime
) -> None:
    """Once for all of them."""
    await plant_monitors(database, list(random_monitors(30, now=now, changes=3)))
    plain = await patient.get(PATH, headers={"Accept-Encoding": "identity"})
    async with patient.stream("GET", PATH, headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join([part async for part in packed.aiter_raw()])
    assert (packed.headers["content-encoding"], packed.headers["etag"]) == ("gzip", plain.headers["etag"])
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 2


async def test_a_reading_that_fails_is_not_kept(patient: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one tries again."""

    async def fail(*_: object, **__: object) -> None:
        raise StorageUnavailableError("away")

    with monkeypatch.context() as away:
        away.setattr(Overview, "page", fail)
        assert (await patient.get(PATH)).status_code == 503
    assert (await patient.get(PATH)).status_code == 200
