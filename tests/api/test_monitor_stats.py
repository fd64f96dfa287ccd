"""What the samples of one monitor come to, over HTTP, wherever they are kept."""

import math
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
from packed_data import MONITOR, NOW, OTHER, START, STEP, WHOLE, pack_all, plant_samples

from api.schemas.monitor_samples import MonitorSamplePage, MonitorSampleView
from api.schemas.stats import MonitorStatsView, StatsView
from shared.domain.sample.samples import Sample
from shared.domain.target.outcome import Outcome
from shared.storage.database import Database

PATH = f"/api/v1/monitors/{MONITOR}"
Planted = dict[UUID, list[Sample]]


@pytest.fixture
async def planted(database: Database) -> Planted:
    """The monitors' samples, most of them packed."""
    found = await plant_samples(database)
    await pack_all(database)
    return found


def values_of(samples: Sequence[Sample]) -> list[float]:
    return sorted(each.reading.duration_ms for each in samples if each.reading.outcome is not Outcome.ERROR)


async def test_statistics_of_a_monitor_are_exact_over_packed_days(client: httpx2.AsyncClient, planted: Planted) -> None:
    """Any percentile, of chunks and rows together."""
    response = await client.get(f"{PATH}/stats", params=WHOLE | {"percentiles": "50,99.9"})
    found = MonitorStatsView.model_validate_json(response.content)
    samples, values = planted[MONITOR], values_of(planted[MONITOR])
    assert (found.percentiles, found.error, found.start, found.end) == ("exact", 0.0, START, NOW)
    assert (found.count, found.min, found.max) == (len(samples), values[0], values[-1])
    assert found.mean == pytest.approx(sum(values) / len(values))
    assert found.model_extra == {
        "p50": values[math.ceil(0.5 * len(values)) - 1],
        "p99.9": values[math.ceil(0.999 * len(values)) - 1],
    }


async def test_buckets_of_any_length_reach_into_packed_days(client: httpx2.AsyncClient, planted: Planted) -> None:
    """Of a metric that no roll-up has, too."""
    params = WHOLE | {"bucket": "50m", "metric": "lag_ms"}
    found = MonitorStatsView.model_validate_json((await client.get(f"{PATH}/stats", params=params)).content)
    assert found.buckets is not None
    assert sum(bucket.count for bucket in found.buckets) == found.count == len(planted[MONITOR])
    lags = [each.reading.metrics["lag_ms"] for each in planted[MONITOR] if "lag_ms" in each.reading.metrics]
    assert (found.min, found.max) == (min(lags), max(lags))


async def test_a_monitor_without_samples_is_told_as_such(client: httpx2.AsyncClient, planted: Planted) -> None:
    """A window before all of them."""
    params = {"start": (START - timedelta(days=9)).isoformat(), "window": "1d"}
    answer = (await client.get(f"{PATH}/stats", params=params)).json()
    assert (answer["count"], answer["mean"], answer["p50"], answer["uptime"]) == (0, None, None, None)


async def test_unknown_monitors_and_metrics_are_refused(client: httpx2.AsyncClient, planted: Planted) -> None:
    """With the metrics that the monitor's kind has."""
    stranger = "/api/v1/monitors/00000000-0000-4000-8000-000000000000"
    assert (await client.get(f"{stranger}/stats")).status_code == 404
    assert (await client.get(f"{stranger}/samples")).status_code == 404
    refused = await client.get(f"{PATH}/stats", params={"metric": "rows"})
    assert refused.status_code == 422
    assert "lag_ms" in refused.json()["errors"][0]["detail"]


async def test_statistics_are_grouped_by_monitor(client: httpx2.AsyncClient, planted: Planted) -> None:
    """All of a group, or some by their ids; targets of jobs are left out."""
    everyone = StatsView.model_validate_json(
        (await client.get("/api/v1/stats", params=WHOLE | {"by": "monitor"})).content
    )
    assert [(item.monitor.group, item.monitor.name) for item in everyone.items if item.monitor] == [
        ("web", "=cmd"),
        ("web", "shop"),
    ]
    for params in ({"monitor": str(OTHER)}, {"label": "team:data"}):
        answer = (await client.get("/api/v1/stats", params=WHOLE | {"by": "monitor"} | params)).json()
        assert [item["monitor"]["id"] for item in answer["items"]] == [str(OTHER)]
    by_kind = (await client.get("/api/v1/stats", params=WHOLE | {"group": "web"})).json()
    assert by_kind["items"][0]["count"] == 2 * len(planted[MONITOR])


async def list_all(client: httpx2.AsyncClient, **params: object) -> list[MonitorSampleView]:
    """Every sample, page by page."""
    items, cursor = [], None
    while True:
        asked = params | ({"cursor": cursor} if cursor else {})
        page = MonitorSamplePage.model_validate_json((await client.get(f"{PATH}/samples", params=asked)).content)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items


@pytest.mark.parametrize("limit", [7, 100, 1000])
async def test_samples_are_listed_newest_first_through_all_days(
    client: httpx2.AsyncClient, planted: Planted, limit: int
) -> None:
    """Each once, with its metrics and why it was not up."""
    found = await list_all(client, limit=limit)
    expected = planted[MONITOR][::-1]
    assert [(each.at, each.outcome, each.duration_ms) for each in found] == [
        (each.slot, each.reading.outcome, each.reading.duration_ms) for each in expected
    ]
    assert [each.metrics for each in found] == [each.reading.metrics for each in expected]
    assert [(each.code, each.message) for each in found] == [
        (each.reading.code, each.reading.message) for each in expected
    ]


async def test_samples_of_a_window_are_listed(client: httpx2.AsyncClient, planted: Planted) -> None:
    """Its end is not in it; it may begin and end within a packed day."""
    start, end = START + 5 * STEP, START + 90 * STEP
    found = await list_all(client, limit=40, start=start.isoformat(), end=end.isoformat())
    assert [each.at for each in found] == [START + number * STEP for number in range(89, 4, -1)]
