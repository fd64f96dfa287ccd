"""Looking at jobs, listing and cancelling them."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import httpx2
import orjson
import pytest
from planting import plant

from api.schemas.jobs import JobPage, JobView
from shared.storage.database import Database

TARGET = {"kind": "file", "path": "/var/log/app.log"}


async def submit(client: httpx2.AsyncClient, **fields: object) -> str:
    """Submit a job and give its address."""
    response = await client.post("/api/v1/jobs", json={"kind": "collect", "targets": [TARGET], **fields})
    return response.headers["location"]


async def run(database: Database, statement: str, location: str) -> None:
    """Change a job's row as its worker and upkeep would in the end."""
    await plant(database, f"update jobs set version = version + 1, {statement} where job_id = $1", UUID(location[-36:]))


RUNNING = "state = 'running', lease_token = gen_random_uuid(), lease_expires_at = now() + interval '1 minute'"
SUCCEEDED = """state = 'succeeded', lease_token = null, finished_at = now(), attempt = 1, started_at = now(),
    result = '{"up": 1, "degraded": 0, "down": 0, "error": 0}'"""


class TestShow:
    """`GET /api/v1/jobs/{id}`."""

    async def test_a_job_is_what_its_description_says(self, client: httpx2.AsyncClient, database: Database) -> None:
        """The body has every field of the view and none besides, before and after the job's end."""
        location = await submit(client, labels={"team": "web"})
        for statement in (None, RUNNING, SUCCEEDED):
            if statement is not None:
                await run(database, statement, location)
            body = (await client.get(location)).content
            view = JobView.model_validate_json(body)
            assert set(orjson.loads(body)) == set(JobView.model_fields)
            assert view.labels == {"team": "web"}

    async def test_what_has_not_changed_is_304(self, client: httpx2.AsyncClient) -> None:
        """A strong tag, kept with the other headers on the 304, without a body."""
        location = await submit(client)
        first = await client.get(location)
        again = await client.get(location, headers={"If-None-Match": first.headers["etag"]})
        assert first.headers["etag"] == f'"{first.json()["id"]}-1"'
        assert (again.status_code, again.content) == (304, b"")
        for name in ("etag", "cache-control", "vary"):
            assert again.headers[name] == first.headers[name]
        assert "content-length" not in again.headers

    async def test_each_change_makes_another_tag(self, client: httpx2.AsyncClient, database: Database) -> None:
        """The row's version is in the tag."""
        location = await submit(client)
        etag = (await client.get(location)).headers["etag"]
        await client.post(f"{location}/cancel")
        changed = await client.get(location, headers={"If-None-Match": etag})
        assert changed.status_code == 200
        assert changed.headers["etag"] != etag

    async def test_only_an_ended_job_may_be_kept(self, client: httpx2.AsyncClient) -> None:
        """A live one is asked for each time, and says when to ask again."""
        location = await submit(client)
        live = await client.get(location)
        assert live.headers["cache-control"] == "private, no-cache"
        assert int(live.headers["retry-after"]) >= 1
        await client.post(f"{location}/cancel")
        ended = await client.get(location)
        assert "max-age" in ended.headers["cache-control"]
        assert "retry-after" not in ended.headers
        assert ended.headers["vary"] == "Prefer"

    async def test_a_failed_job_is_no_error(self, client: httpx2.AsyncClient, database: Database) -> None:
        """What went wrong with the job is told in the job (AIP-151)."""
        location = await submit(client)
        failed = """state = 'failed', finished_at = now(), error = '{"code": "x", "message": "y"}'"""
        await run(database, failed, location)
        response = await client.get(location)
        assert (response.status_code, response.json()["error"]) == (200, {"code": "x", "message": "y"})

    @pytest.mark.parametrize("spelling", [str.upper, lambda text: text.replace("-", "")])
    async def test_the_id_may_be_spelt_differently(self, client: httpx2.AsyncClient, spelling: object) -> None:
        """RFC 9562 reads both cases; the route answers where the hot path does not."""
        location = await submit(client)
        prefix, _, job_id = location.rpartition("/")
        response = await client.get(f"{prefix}/{spelling(job_id)}")  # type: ignore[operator]
        assert response.json()["id"] == job_id


class TestList:
    """`GET /api/v1/jobs`."""

    async def test_pages_follow_each_other_without_gap_or_repeat(self, client: httpx2.AsyncClient) -> None:
        """The newest first; jobs made meanwhile do not move what comes; the link is the next page."""
        made = [await submit(client) for _ in range(7)]
        seen: list[str] = []
        address: str | None = "/api/v1/jobs?limit=3"
        while address is not None:
            response = await client.get(address)
            page = JobPage.model_validate_json(response.content)
            seen += [item.links.self for item in page.items]
            address = response.links["next"]["url"] if page.next_cursor else None
            assert ("next" in response.links) is (page.next_cursor is not None)
            await submit(client)
        assert seen == made[::-1]

    async def test_filters_narrow(self, client: httpx2.AsyncClient) -> None:
        """State, kind, labels and time, each alone and together."""
        await submit(client, labels={"team": "web", "zone": "a"})
        await submit(client, labels={"team": "web"}, delay="1h")
        cancelled = await submit(client, labels={"team": "db"})
        await client.post(f"{cancelled}:cancel")

        async def count(query: str) -> int:
            return len((await client.get(f"/api/v1/jobs?{query}")).json()["items"])

        assert await count("") == 3
        assert await count("state=queued") == 1
        assert await count("state=queued&state=scheduled") == 2
        assert await count("kind=notify") == 0
        assert await count("label=team:web") == 2
        assert await count("label=team:web&label=zone:a") == 1
        assert await count("label=team:web&state=cancelled") == 0
        assert await count("created_after=2000-01-01T00:00:00Z") == 3
        assert await count("created_before=2000-01-01T00:00:00Z") == 0
        assert await count("created_after=2999-01-01T00:00:00Z") == 0
        assert await count("created_before=2999-01-01T00:00:00%2B02:00") == 3

    async def test_jobs_are_found_by_what_they_share(self, client: httpx2.AsyncClient, database: Database) -> None:
        """A parent, a unique key, a limit, a way to fail, a time of end."""
        parent = await submit(client, unique_key="nightly", limit_key="shop")
        child = await submit(client, parent_id=parent[-36:])
        await submit(client, limit_key="other")
        failed = "state = 'failed', finished_at = now(), error_fingerprint = '0123456789abcdef'"
        await run(database, failed, parent)

        async def found(**query: str) -> list[str]:
            page = (await client.get("/api/v1/jobs", params=query)).json()
            return [item["links"]["self"] for item in page["items"]]

        assert await found(parent_id=parent[-36:]) == [child]
        assert await found(parent_id=child[-36:]) == []
        assert await found(unique_key="nightly") == [parent]
        assert await found(limit_key="shop") == [parent]
        assert await found(limit_key="shop", unique_key="weekly") == []
        assert await found(fingerprint="0123456789abcdef") == [parent]
        assert await found(fingerprint="f" * 16) == []
        assert await found(finished_after="2000-01-01T00:00:00Z") == [parent]
        assert await found(finished_before="2000-01-01T00:00:00Z") == []
        assert await found(finished_before="2999-01-01T00:00:00Z", fingerprint="0123456789abcdef") == [parent]

    async def test_bounds_of_time_exclude_themselves(self, client: httpx2.AsyncClient) -> None:
        """A job is neither before nor after the moment it was made, and lies between the seconds around it."""
        location = await submit(client)
        made_at = datetime.fromisoformat((await client.get(location)).json()["created_at"])
        second = timedelta(seconds=1)

        async def count(after: datetime, before: datetime) -> int:
            bounds = {"created_after": after.isoformat(), "created_before": before.isoformat()}
            return len((await client.get("/api/v1/jobs", params=bounds)).json()["items"])

        assert await count(made_at - second, made_at + second) == 1
        assert await count(made_at, made_at + second) == 0
        assert await count(made_at - second, made_at) == 0

    @pytest.mark.parametrize(("limit", "expected"), [(0, 50), (1, 1), (200, 60), (100_000, 60)])
    async def test_the_limit_is_cut_not_refused(self, client: httpx2.AsyncClient, limit: int, expected: int) -> None:
        """AIP-158: 0 is the default, more than the most is the most."""
        await client.post("/api/v1/jobs:batch", json={"jobs": [{"kind": "collect", "targets": [TARGET]}] * 60})
        assert len((await client.get(f"/api/v1/jobs?limit={limit}")).json()["items"]) == expected

    @pytest.mark.parametrize(
        ("query", "parameter"),
        [
            ("limit=-1", "limit"),
            ("limit=x", "limit"),
            ("stat=queued", "stat"),
            ("state=lost", "state.0"),
            ("kind=x", "kind"),
            ("label=team", "label.0"),
            ("parent_id=x", "parent_id"),
            ("unique_key=", "unique_key"),
            ("fingerprint=xyz", "fingerprint"),
            ("finished_after=now", "finished_after"),
            ("label=a b:c", "label.0"),
            ("created_after=yesterday", "created_after"),
            ("created_after=1700000000", "created_after"),
            ("created_before=2026-01-01T00:00:00", "created_before"),
        ],
    )
    async def test_a_wrong_parameter_is_named(self, client: httpx2.AsyncClient, query: str, parameter: str) -> None:
        """A misspelt filter would list everything."""
        response = await client.get(f"/api/v1/jobs?{query}")
        assert response.status_code == 422
        assert [error["parameter"] for error in response.json()["errors"]] == [parameter]

    async def test_a_cursor_of_another_query_is_refused(self, client: httpx2.AsyncClient) -> None:
        """400; a change of the limit is no other query."""
        for _ in range(3):
            await submit(client)
        cursor = (await client.get("/api/v1/jobs?kind=collect&limit=1")).json()["next_cursor"]
        other = await client.get("/api/v1/jobs", params={"kind": "notify", "cursor": cursor})
        assert (other.status_code, other.json()["type"]) == (400, "/problems/invalid-cursor")
        same = await client.get("/api/v1/jobs", params={"cursor": cursor, "kind": "collect", "limit": 2})
        assert same.status_code == 200

    async def test_large_pages_are_compressed_for_who_asks(self, client: httpx2.AsyncClient) -> None:
        """And only for them."""
        await client.post("/api/v1/jobs:batch", json={"jobs": [{"kind": "collect", "targets": [TARGET]}] * 20})
        plain = await client.get("/api/v1/jobs", headers={"Accept-Encoding": "identity"})
        packed = await client.get("/api/v1/jobs", headers={"Accept-Encoding": "br, gzip"})
        refused = await client.get("/api/v1/jobs", headers={"Accept-Encoding": "gzip;q=0"})
        assert "content-encoding" not in plain.headers
        assert "content-encoding" not in refused.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == "Accept-Encoding"
        assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3
        assert packed.json() == plain.json()


@pytest.mark.parametrize("verb", ["/cancel", ":cancel"])
class TestCancel:
    """`POST /api/v1/jobs/{id}/cancel`, also spelt `:cancel`."""

    async def test_a_waiting_job_is_cancelled_at_once(self, client: httpx2.AsyncClient, verb: str) -> None:
        """200, and a poll right after sees it."""
        location = await submit(client)
        await client.get(location)
        response = await client.post(location + verb)
        assert (response.status_code, response.json()["state"]) == (200, "cancelled")
        assert (await client.get(location)).content == response.content

    async def test_a_running_job_is_asked_to_stop(
        self, client: httpx2.AsyncClient, database: Database, verb: str
    ) -> None:
        """202: its worker hears of it."""
        location = await submit(client)
        await run(database, RUNNING, location)
        response = await client.post(location + verb)
        assert (response.status_code, response.json()["state"]) == (202, "running")
        assert response.json()["cancel_requested_at"] is not None

    async def test_an_ended_job_is_not_cancelled(self, client: httpx2.AsyncClient, verb: str) -> None:
        """409 with the state it ended in."""
        location = await submit(client)
        await client.post(location + verb)
        response = await client.post(location + verb)
        assert (response.status_code, response.json()["state"]) == (409, "cancelled")
        assert response.json()["type"] == "/problems/job-already-done"

    async def test_children_are_cancelled_too(self, client: httpx2.AsyncClient, verb: str) -> None:
        """Where the query asks for it, and only there."""
        parent = await submit(client)
        child = await submit(client, parent_id=parent[-36:])
        await client.post(f"{parent}{verb}?children=false")
        assert (await client.get(child)).json()["state"] == "queued"
        response = await client.post(f"{parent}{verb}?children=true")
        assert (response.status_code, response.json()["id"]) == (200, parent[-36:])
        page = await client.get("/api/v1/jobs", params={"parent_id": parent[-36:]})
        assert [job["state"] for job in page.json()["items"]] == ["cancelled"]

    @pytest.mark.parametrize("query", ["children=perhaps", "child=true"])
    async def test_other_parameters_are_refused(self, client: httpx2.AsyncClient, verb: str, query: str) -> None:
        """A misspelt one would leave the children running."""
        location = await submit(client)
        assert (await client.post(f"{location}{verb}?{query}")).status_code == 422
        assert (await client.get(location)).json()["state"] == "queued"

    async def test_an_unknown_job_is_not_found(self, client: httpx2.AsyncClient, verb: str) -> None:
        """404."""
        assert (await client.post(f"/api/v1/jobs/{uuid4()}{verb}")).status_code == 404

    async def test_if_match_guards_against_a_change(self, client: httpx2.AsyncClient, verb: str) -> None:
        """412 with the tag that stands now; with that one it works."""
        location = await submit(client)
        etag = (await client.get(location)).headers["etag"]
        refused = await client.post(location + verb, headers={"If-Match": '"another"'})
        assert (refused.status_code, refused.json()["current"]) == (412, etag)
        assert (await client.post(location + verb, headers={"If-Match": etag})).status_code == 200
