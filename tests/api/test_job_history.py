"""What a job was asked to do, the tries at it, and what it collected."""

from datetime import timedelta
from uuid import UUID, uuid4

import httpx2
import pytest
from sample_data import NOON, make_series, sample

from api.schemas.jobs import AttemptPage, JobSpecView, SamplePage
from shared.domain.target.outcome import Outcome
from shared.storage.database import Database
from shared.storage.sample.sample_store import SampleStore

SECOND = timedelta(seconds=1)
SECRETS = [
    {
        "kind": "collect",
        "targets": [
            {"kind": "http", "url": "https://u:s3cret@x.example/?token=s3cret", "headers": {"Authorization": "s3cret"}},
            {"kind": "database", "dsn": "postgresql://reader:s3cret@db.example/shop"},
        ],
    },
    {
        "kind": "notify",
        "channel": {
            "kind": "webhook",
            "url": "https://hooks.example/s3cret",
            "secret": "whsec_s3cretAAAAAAAAAAAAAAAAAAAAAAAA",
        },
        "message": {"title": "down"},
    },
    {
        "kind": "notify",
        "channel": {"kind": "email", "to": ["a@b.example"], "smtp_url": "smtps://u:s3cret@mail.example"},
        "message": {"title": "down", "text": "since noon"},
    },
]


@pytest.fixture
async def location(client: httpx2.AsyncClient) -> str:
    """A job's address."""
    job = {"kind": "collect", "targets": [{"kind": "http", "url": "https://shop.example", "timeout": "5s"}]}
    return (await client.post("/api/v1/jobs", json=job)).headers["location"]


@pytest.mark.parametrize("part", ["spec", "attempts", "samples"])
async def test_an_unknown_job_has_no_history(client: httpx2.AsyncClient, part: str) -> None:
    """404, not an empty list."""
    assert (await client.get(f"/api/v1/jobs/{uuid4()}/{part}")).status_code == 404


class TestSpec:
    """`GET /api/v1/jobs/{id}/spec`."""

    async def test_it_is_what_was_asked(self, client: httpx2.AsyncClient, location: str) -> None:
        """As it was sent, without what was not said."""
        response = await client.get(f"{location}/spec")
        assert response.json() == {
            "kind": "collect",
            "targets": [{"kind": "http", "url": "https://shop.example", "timeout": "5s"}],
        }

    @pytest.mark.parametrize("body", SECRETS)
    async def test_no_secret_is_told(self, client: httpx2.AsyncClient, body: dict[str, object]) -> None:
        """Neither here nor in any other answer about the job."""
        location = (await client.post("/api/v1/jobs", json=body)).headers["location"]
        shown = await client.get(f"{location}/spec")
        JobSpecView.model_validate_json(shown.content)
        assert "***" in shown.text
        for path in (location, f"{location}/spec", "/api/v1/jobs", f"{location}/attempts"):
            assert "s3cret" not in (await client.get(path)).text


class TestAttempts:
    """`GET /api/v1/jobs/{id}/attempts`."""

    async def test_each_try_is_listed_the_first_one_first(
        self, client: httpx2.AsyncClient, database: Database, location: str
    ) -> None:
        """With its worker, times, outcome and error."""
        async with database.transaction() as work:
            for attempt, outcome in ((1, "failed"), (2, "succeeded")):
                await work.run(
                    """
                    insert into job_attempts values
                        ($1, $2, 1, 'worker-1', now(), now(), $3, 'refused', 'said no', 1.23456, 7, '{"status": 503}')
                    """,
                    UUID(location[-36:]),
                    attempt,
                    outcome,
                )
        page = AttemptPage.model_validate_json((await client.get(f"{location}/attempts")).content)
        assert [(item.attempt, item.outcome.value) for item in page.items] == [(1, "failed"), (2, "succeeded")]
        assert (page.items[0].queue_wait_ms, page.items[0].detail) == (1.235, {"status": 503})

    async def test_a_job_not_yet_tried_has_none(self, client: httpx2.AsyncClient, location: str) -> None:
        """An empty page."""
        assert (await client.get(f"{location}/attempts")).json() == {"items": [], "next_cursor": None}


class TestSamples:
    """`GET /api/v1/jobs/{id}/samples`."""

    @pytest.fixture
    async def count(self, database: Database, location: str) -> int:
        """Samples of 25 targets."""
        series = await make_series(database, *(f"https://shop.example/{number}" for number in range(25)))
        job_id = UUID(location[-36:])
        async with database.transaction() as work:
            await SampleStore(work).record(
                [
                    sample(
                        each, NOON + position * SECOND, 10.5, metrics={"status": 200}, job_id=job_id, position=position
                    )
                    for position, each in enumerate(series)
                ]
            )
        return len(series)

    async def test_they_come_in_the_order_of_the_targets(
        self, client: httpx2.AsyncClient, location: str, count: int
    ) -> None:
        """Page by page, each once."""
        seen: list[int] = []
        address: str | None = f"{location}/samples?limit=10"
        while address is not None:
            response = await client.get(address)
            page = SamplePage.model_validate_json(response.content)
            seen += [item.position for item in page.items]
            address = response.links["next"]["url"] if page.next_cursor else None
        assert seen == list(range(count))

    async def test_a_sample_tells_what_was_found(self, client: httpx2.AsyncClient, location: str, count: int) -> None:
        """Target, outcome, time and metrics."""
        item = (await client.get(f"{location}/samples")).json()["items"][3]
        assert item == {
            "position": 3,
            "target": "https://shop.example/3",
            "outcome": Outcome.UP.value,
            "duration_ms": 10.5,
            "metrics": {"status": 200.0},
            "code": None,
            "message": None,
            "collected_at": "2025-03-12T12:00:03Z",
        }

    async def test_a_cursor_belongs_to_its_job(self, client: httpx2.AsyncClient, location: str, count: int) -> None:
        """Another job's cursor would skip what was never seen."""
        cursor = (await client.get(f"{location}/samples?limit=5")).json()["next_cursor"]
        job = {"kind": "collect", "targets": [{"kind": "file", "path": "/x"}]}
        other = (await client.post("/api/v1/jobs", json=job)).headers["location"]
        response = await client.get(f"{other}/samples", params={"cursor": cursor})
        assert (response.status_code, response.json()["type"]) == (400, "/problems/invalid-cursor")
