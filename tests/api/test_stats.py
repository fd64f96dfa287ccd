"""Statistics over HTTP; what they compute is tested with the service."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sample_data import every, make_series, record

from api.routes.stats import question_of
from api.schemas.queries import StatsRequest
from api.schemas.stats import StatsView
from api.services import ApiServices
from shared.domain.sample.statistics import StatsQuery, StatsTimeoutError
from shared.storage.database import Database

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def asked(**parameters: object) -> StatsQuery:
    """The question that the parameters ask at `NOW`."""
    return question_of(StatsRequest.model_validate(parameters), now=NOW)


class TestQuestion:
    """From parameters to a question."""

    def test_an_hour_until_now_unless_told(self) -> None:
        """Every parameter has a default."""
        assert asked() == StatsQuery(start=NOW - timedelta(hours=1), end=NOW)

    @pytest.mark.parametrize(
        ("parameters", "start", "end"),
        [
            ({"window": "5m"}, NOW - 5 * MINUTE, NOW),
            ({"window": "5m", "end": "2026-11-21T11:00:00Z"}, NOW - 65 * MINUTE, NOW - 60 * MINUTE),
            ({"window": "5m", "start": "2026-11-21T11:00:00Z"}, NOW - 60 * MINUTE, NOW - 55 * MINUTE),
            ({"start": "2026-11-21T11:00:00Z"}, NOW - 60 * MINUTE, NOW),
            ({"start": "2026-11-21T11:00:00Z", "end": "2026-11-21T11:01:00Z"}, NOW - 60 * MINUTE, NOW - 59 * MINUTE),
        ],
    )
    def test_two_of_start_end_and_window(self, parameters: dict[str, str], start: datetime, end: datetime) -> None:
        """In each combination."""
        question = asked(**parameters)
        assert (question.start, question.end) == (start, end)

    def test_a_window_before_all_time_begins_with_it(self) -> None:
        """A hundred years back from 2026 is cut, not an overflow."""
        assert asked(window="36525d").start == datetime(1970, 1, 1, tzinfo=UTC)

    def test_all_else_is_passed_on(self) -> None:
        """Filters, grouping, percentiles."""
        question = asked(
            kind="http", target="https://a", label=["team:web", "zone:a:b"], by="label:team", percentiles="50,99.9",
            metric="connect_ms", bucket="5m",
        )  # fmt: skip
        assert (question.kind, question.target, question.metric) == ("http", "https://a", "connect_ms")
        assert question.labels == {"team": "web", "zone": "a:b"}
        assert (question.group_by, question.group_label) == ("label", "team")
        assert (question.percentiles, question.bucket) == ((50.0, 99.9), 5 * MINUTE)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("window=soon", "window"),
        ("bucket=0.5ns", None),
        ("metric=beauty", "metric"),
        ("by=colour", "by"),
        ("by=label:", "by"),
        ("percentiles=101", None),
        ("percentiles=0", None),
        ("percentiles=a", "percentiles"),
        ("label=team", "label.0"),
        ("start=2026-11-21T11:00:00Z&end=2026-11-21T10:00:00Z", None),
        ("start=2026-11-21T11:00:00Z&end=2026-11-21T12:00:00Z&window=1h", "window"),
        ("window=0s", None),
        ("window=1y&bucket=1s", None),
        ("groups=kind", "groups"),
        ("group=%00", "group"),
        ("target=%00", "target"),
    ],
)
async def test_a_wrong_question_is_refused(client: httpx2.AsyncClient, query: str, parameter: str | None) -> None:
    """422, with the parameter where one alone is wrong."""
    response = await client.get(f"/api/v1/stats?{query}")
    assert response.status_code == 422
    assert [error.get("parameter") for error in response.json()["errors"]] == [parameter]
    assert response.json()["errors"][0]["detail"]
    assert "Value error" not in response.text


async def test_an_answer_is_what_its_description_says(client: httpx2.AsyncClient, database: Database) -> None:
    """Count, mean, extremes, latest, percentiles and outcomes, and the same in buckets."""
    start = datetime.now(UTC).replace(microsecond=0) - 10 * MINUTE
    (series_id,) = await make_series(database, "https://shop.example", team="web")
    await record(database, every(series_id, MINUTE, [10.0, 20.0, 30.0, 40.0], start=start))
    response = await client.get("/api/v1/stats?kind=http&window=1h&label=team:web&bucket=1m&percentiles=50,99.9")
    answer = StatsView.model_validate_json(response.content)
    (item,) = response.json()["items"]
    assert (item["kind"], item["count"], item["mean"], item["min"], item["max"]) == ("http", 4, 25.0, 10.0, 40.0)
    assert (item["latest"], item["p50"], item["p99.9"]) == (40.0, 20.0, 40.0)
    assert item["outcomes"]["up"] == 4
    assert answer.items[0].buckets is not None
    assert [bucket.count for bucket in answer.items[0].buckets] == [1, 1, 1, 1]


async def test_groups_are_named(client: httpx2.AsyncClient, database: Database) -> None:
    """By target and by label."""
    start = datetime.now(UTC).replace(microsecond=0) - 10 * MINUTE
    for name, team in (("https://a.example", "web"), ("https://b.example", "db")):
        (series_id,) = await make_series(database, name, team=team)
        await record(database, every(series_id, MINUTE, [10.0], start=start))
    by_target = (await client.get("/api/v1/stats?by=target")).json()["items"]
    by_team = (await client.get("/api/v1/stats?by=label:team")).json()["items"]
    assert [item["target"] for item in by_target] == ["https://a.example", "https://b.example"]
    assert [item["label"] for item in by_team] == ["db", "web"]


async def test_what_takes_too_long_is_told_so(
    client: httpx2.AsyncClient, services: ApiServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with what would help."""

    async def slow(query: StatsQuery) -> None:
        raise StatsTimeoutError("ask for a shorter window")

    monkeypatch.setattr(services.context.statistics, "query", slow)
    response = await client.get("/api/v1/stats")
    assert (response.status_code, response.json()["type"]) == (503, "/problems/query-too-slow")
    assert "retry-after" in response.headers
