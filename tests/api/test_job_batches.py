"""Submitting many jobs at once."""

from uuid import uuid4

import httpx2
import pytest

from api.services import ApiServices
from shared.storage.database import Database
from shared.storage.errors import StorageUnavailableError

GOOD = {"kind": "collect", "targets": [{"kind": "file", "path": "/var/log/app.log"}]}
BAD = {"kind": "collect", "targets": [{"kind": "file", "path": 7}]}


async def count(database: Database) -> int:
    """How many jobs are kept."""
    async with database.transaction() as work:
        return (await work.fetch("select count(*) as n from jobs"))[0].n


async def test_a_thousand_jobs_are_taken_at_once(client: httpx2.AsyncClient, database: Database) -> None:
    """The largest batch; each item has its own job, in the order sent."""
    batch = {"jobs": [GOOD | {"labels": {"n": str(number)}} for number in range(1000)]}
    response = await client.post("/api/v1/jobs:batch", json=batch)
    answer = response.json()
    assert (response.status_code, answer["accepted"], answer["rejected"]) == (202, 1000, 0)
    job = await client.get(answer["results"][417]["location"])
    assert job.json()["labels"] == {"n": "417"}
    assert await count(database) == 1000


@pytest.mark.parametrize("jobs", [[], [GOOD] * 1001, "x", None])
async def test_other_sizes_are_refused(client: httpx2.AsyncClient, database: Database, jobs: object) -> None:
    """0 and 1,001 items, and what is no list."""
    assert (await client.post("/api/v1/jobs:batch", json={"jobs": jobs})).status_code == 422
    assert await count(database) == 0


async def test_a_wrong_item_does_not_spoil_the_others(client: httpx2.AsyncClient, database: Database) -> None:
    """Each item has its own status, with a pointer into the whole body."""
    response = await client.post("/api/v1/jobs:batch", json={"jobs": [GOOD, BAD, GOOD, 7, None, [[]]]})
    results = response.json()["results"]
    assert [result["status"] for result in results] == [202, 422, 202, 422, 422, 422]
    assert results[1]["problem"]["errors"][0]["pointer"] == "/jobs/1/targets/0/path"
    assert await count(database) == 2


async def test_an_atomic_batch_is_all_or_nothing(client: httpx2.AsyncClient, database: Database) -> None:
    """One wrong item refuses all, and says which."""
    response = await client.post("/api/v1/jobs:batch", json={"jobs": [GOOD, BAD], "atomic": True})
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == ["/jobs/1/targets/0/path"]
    assert await count(database) == 0


async def test_items_that_no_job_could_be_are_refused(client: httpx2.AsyncClient) -> None:
    """Numbers beyond 64 bits, U+0000 and deep nesting are this item's fault only."""
    body = b'{"jobs": [123456789012345678901234567890, {"kind": "\\u0000"}, ' + b"[" * 120 + b"]" * 120 + b"]}"
    response = await client.post("/api/v1/jobs:batch", content=body, headers={"Content-Type": "application/json"})
    assert [result["status"] for result in response.json()["results"]] == [422, 422, 422]


async def test_a_repeat_under_its_key_makes_nothing_twice(client: httpx2.AsyncClient, database: Database) -> None:
    """Item by item: those taken before are replayed, a changed one is refused, a new one is taken."""
    headers = {"Idempotency-Key": "night"}
    first = (await client.post("/api/v1/jobs:batch", json={"jobs": [GOOD, GOOD]}, headers=headers)).json()
    changed = GOOD | {"labels": {"a": "b"}}
    again = (await client.post("/api/v1/jobs:batch", json={"jobs": [GOOD, changed, GOOD]}, headers=headers)).json()
    assert [result["status"] for result in again["results"]] == [202, 422, 202]
    assert again["results"][0]["id"] == first["results"][0]["id"]
    assert again["results"][0]["replayed"] is True
    assert again["results"][1]["problem"]["type"] == "/problems/idempotency-key-reused"
    assert await count(database) == 3


async def test_nothing_is_half_taken_when_the_database_is_away(
    client: httpx2.AsyncClient, services: ApiServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 for the whole batch."""

    async def away(submissions: object, *, is_atomic: bool) -> None:
        raise StorageUnavailableError("away")

    monkeypatch.setattr(services.context.submission, "submit_many", away)
    response = await client.post("/api/v1/jobs:batch", json={"jobs": [GOOD]})
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1


ONE_OF = GOOD | {"unique_key": "nightly"}


async def test_of_two_with_one_unique_key_the_first_is_taken(client: httpx2.AsyncClient, database: Database) -> None:
    """The second is answered with the first, or refused where it asks for that."""
    jobs = [ONE_OF, GOOD, ONE_OF, ONE_OF | {"on_conflict": "reject"}]
    answer = (await client.post("/api/v1/jobs:batch", json={"jobs": jobs})).json()
    first, _, second, third = answer["results"]
    assert (answer["accepted"], answer["rejected"]) == (3, 1)
    assert second == {"status": 200, "id": first["id"], "location": first["location"], "deduplicated": True}
    assert (third["status"], third["problem"]["job"]) == (409, first["location"])
    assert await count(database) == 2


async def test_an_unknown_parent_spoils_its_item_only(client: httpx2.AsyncClient, database: Database) -> None:
    """With a pointer to it in the whole body."""
    orphan = GOOD | {"parent_id": str(uuid4())}
    answer = (await client.post("/api/v1/jobs:batch", json={"jobs": [GOOD, orphan]})).json()
    assert [result["status"] for result in answer["results"]] == [202, 422]
    assert answer["results"][1]["problem"]["errors"][0]["pointer"] == "/jobs/1/parent_id"
    assert await count(database) == 1


@pytest.mark.parametrize(
    ("wrong", "status", "pointer"),
    [
        ({"parent_id": str(uuid4())}, 422, "/jobs/1/parent_id"),
        ({"unique_key": "nightly", "on_conflict": "reject"}, 409, "/jobs/1"),
    ],
)
async def test_an_atomic_batch_is_refused_for_what_the_database_finds(
    client: httpx2.AsyncClient, database: Database, wrong: dict[str, str], status: int, pointer: str
) -> None:
    """Nothing of it is kept, its idempotency keys neither: the batch can be mended and sent again."""
    batch = {"jobs": [ONE_OF, GOOD | wrong], "atomic": True}
    headers = {"Idempotency-Key": "all"}
    response = await client.post("/api/v1/jobs:batch", json=batch, headers=headers)
    problem = response.json()
    assert response.status_code == status
    assert pointer in {problem.get("pointer"), *(error["pointer"] for error in problem.get("errors", []))}
    assert await count(database) == 0
    mended = await client.post("/api/v1/jobs:batch", json={"jobs": [GOOD, GOOD], "atomic": True}, headers=headers)
    assert mended.json()["accepted"] == 2
