"""Ended jobs run anew over HTTP, their failures grouped, their children listed."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from job_bench import Bench, ring_of
from redis.asyncio import Redis

from api.schemas.errors import ErrorList
from api.schemas.jobs import ChildPage, JobView
from api.schemas.requeue import RequeuePreview
from api.schemas.timelines import TimelineView, WaitsView
from shared.clock import utc_now
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.fingerprints import fingerprint_of
from shared.domain.job.jobs import Failure, Job, JobKind
from shared.domain.job.leases import ClaimedJob
from shared.services.job.requeue_work import RequeueWork
from shared.storage.database import Database

BROKEN = Failure("rejected", "the receiver answered 400", is_permanent=True)
FINGERPRINT = fingerprint_of(JobKind.NOTIFY, BROKEN)
ERRORS = "/api/v1/errors"


async def fail(_: ClaimedJob, report: ReportProgress) -> Worked:
    return Worked(failure=BROKEN)


async def succeed(_: ClaimedJob, report: ReportProgress) -> Worked:
    return Worked()


@pytest.fixture
async def bench(database: Database, redis: Redis) -> Bench:
    """The flows of jobs, on the API's servers."""
    return Bench(database, redis)


async def run(bench: Bench, job: Job, work: Any) -> None:
    execution, _ = bench.worker(work)
    await execution.run(ring_of(job, job.dispatch_no))
    await execution.drain()


async def failed(bench: Bench, **changes: object) -> str:
    """The address of a job that failed."""
    job = await bench.submitted(**changes)
    await run(bench, job, fail)
    return f"/api/v1/jobs/{job.job_id}"


async def run_order(bench: Bench, location: str) -> None:
    """Run a requeue job."""
    job = await bench.job(uuid_of(location))
    await run(bench, job, RequeueWork(bench.database, bench.announcer))


def uuid_of(location: str) -> UUID:
    return UUID(location.rpartition("/")[2])


class TestOneJob:
    """`POST /api/v1/jobs/{id}:requeue`."""

    async def test_a_new_job_is_answered(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """202 with its address; the old one's list of successors has it."""
        old = await failed(bench)
        response = await client.post(f"{old}:requeue")
        assert response.status_code == 202
        new = JobView.model_validate_json(response.content)
        assert response.headers["location"] == f"/api/v1/jobs/{new.id}"
        assert new.requeue_of == uuid_of(old)
        found = (await client.get(f"/api/v1/jobs?requeue_of={uuid_of(old)}")).json()
        assert [job["id"] for job in found["items"]] == [str(new.id)]

    async def test_what_is_to_be_otherwise_is_said_in_the_body(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """Later, more often, sooner than others."""
        old = await failed(bench)
        new = (await client.post(f"{old}:requeue", json={"delay": "1h", "max_attempts": 7, "priority": 9})).json()
        assert (new["state"], new["max_attempts"], new["priority"]) == ("scheduled", 7, 9)

    async def test_a_second_time_is_refused(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """409 names the job that was made."""
        old = await failed(bench)
        new = (await client.post(f"{old}:requeue")).headers["location"]
        problem = await client.post(f"{old}:requeue")
        assert (problem.status_code, problem.json()["type"]) == (409, "/problems/job-already-requeued")
        assert problem.json()["job"] == new

    async def test_a_living_job_is_refused(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """409 says how it stands."""
        job = await bench.submitted()
        problem = await client.post(f"/api/v1/jobs/{job.job_id}:requeue")
        assert (problem.status_code, problem.json()["type"]) == (409, "/problems/job-not-done")
        assert problem.json()["state"] == "queued"

    async def test_an_unknown_job_is_not_found(self, client: httpx2.AsyncClient) -> None:
        """404."""
        assert (await client.post(f"/api/v1/jobs/{uuid4()}:requeue")).status_code == 404

    async def test_two_due_times_are_refused(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """422, and nothing is made."""
        old = await failed(bench)
        body = {"delay": "1s", "run_at": "2030-01-01T00:00:00Z"}
        assert (await client.post(f"{old}:requeue", json=body)).status_code == 422
        assert (await client.post(f"{old}:requeue")).status_code == 202


class TestByFilter:
    """`POST /api/v1/jobs:requeue`."""

    async def test_it_is_a_job_of_its_own(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """With a spec that shows the filter, a result that counts, and children."""
        olds = {uuid_of(await failed(bench, labels={"team": team})) for team in ("web", "web", "db")}
        response = await client.post("/api/v1/jobs:requeue", json={"filter": {"label": {"team": "web"}}})
        assert response.status_code == 202
        location = response.headers["location"]
        spec = (await client.get(f"{location}/spec")).json()
        assert (spec["kind"], spec["filter"]["labels"], spec["canary"]) == ("requeue", {"team": "web"}, None)
        await run_order(bench, location)
        job = (await client.get(location)).json()
        assert (job["state"], job["result"]["requeued"], job["progress"]["stage"]) == ("succeeded", 2, "all")
        children = await client.get(job["links"]["children"])
        page = ChildPage.model_validate_json(children.content)
        assert page.counts == {"queued": 2}
        assert {child.requeue_of for child in page.items} < olds

    async def test_a_preview_counts(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """And makes nothing."""
        for _ in range(3):
            await failed(bench)
        for limit, expected in ((100, (3, False)), (2, (2, True))):
            response = await client.post("/api/v1/jobs:requeue?validate_only=true", json={"filter": {}, "limit": limit})
            preview = RequeuePreview.model_validate_json(response.content)
            assert (preview.matching, preview.is_more) == expected
        assert (await client.get("/api/v1/jobs?kind=requeue")).json()["items"] == []

    async def test_a_repeat_gets_the_same_job(self, client: httpx2.AsyncClient) -> None:
        """By its idempotency key."""
        headers = {"Idempotency-Key": '"once"'}
        answers = [await client.post("/api/v1/jobs:requeue", json={"filter": {}}, headers=headers) for _ in range(2)]
        assert answers[0].headers["location"] == answers[1].headers["location"]
        assert answers[1].headers["idempotent-replayed"] == "true"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"filter": {"state": ["running"]}},
            {"filter": {"state": []}},
            {"filter": {"kind": "requeue"}},
            {"filter": {"fingerprint": "xyz"}},
            {"filter": {}, "canary": {"steps": []}},
            {"filter": {}, "canary": {"steps": [501]}},
            {"filter": {}, "canary": {"max_failure_rate": 2}},
            {"filter": {}, "limit": 0},
        ],
    )
    async def test_what_makes_no_sense_is_refused(self, client: httpx2.AsyncClient, body: dict[str, Any]) -> None:
        """422 with a pointer."""
        problem = await client.post("/api/v1/jobs:requeue", json=body)
        assert problem.status_code == 422
        assert problem.json()["errors"][0]["pointer"].startswith("/")


class TestErrors:
    """`GET /api/v1/errors` and what it leads to."""

    async def test_failures_are_grouped(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """By fingerprint, with a sample, the versions, and links that work."""
        for _ in range(2):
            latest = await failed(bench)
        response = await client.get(ERRORS)
        [group] = ErrorList.model_validate_json(response.content).items
        assert (group.fingerprint, group.code, group.count, group.job_id) == (
            FINGERPRINT,
            "rejected",
            2,
            uuid_of(latest),
        )
        assert list(group.versions.values()) == [2]
        assert group.only_since_version is None
        assert len((await client.get(group.links.jobs)).json()["items"]) == 2
        assert (await client.get(group.links.job)).status_code == 200

    async def test_groups_are_told_apart_and_sorted(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """The largest first; a limit cuts and says so."""
        await failed(bench)

        async def crash(_: ClaimedJob, report: ReportProgress) -> Worked:
            return Worked(failure=Failure("gone", "it wants no more", is_permanent=True))

        for _ in range(2):
            await run(bench, await bench.submitted(), crash)
        items = (await client.get(ERRORS)).json()["items"]
        assert [(item["code"], item["count"]) for item in items] == [("gone", 2), ("rejected", 1)]
        cut = (await client.get(f"{ERRORS}?limit=1")).json()
        assert ([item["code"] for item in cut["items"]], cut["truncated"]) == (["gone"], True)
        assert (await client.get(f"{ERRORS}?kind=collect")).json()["items"] == []

    async def test_what_failed_before_the_window_is_left_out(
        self, client: httpx2.AsyncClient, bench: Bench, database: Database
    ) -> None:
        """But it is what a group was first seen by."""
        await failed(bench)
        async with database.transaction() as work:
            await work.run("update jobs set finished_at = finished_at - interval '2 h'")
        assert (await client.get(f"{ERRORS}?window=1h")).json()["items"] == []
        await failed(bench)
        [group] = ErrorList.model_validate_json((await client.get(f"{ERRORS}?window=1h")).content).items
        assert group.count == 1
        assert utc_now() - group.first_seen_at > timedelta(hours=1)

    async def test_a_failure_that_came_with_a_version_says_so(
        self, client: httpx2.AsyncClient, bench: Bench, database: Database
    ) -> None:
        """All failures under one version, and another one worked right before."""
        await run(bench, await bench.submitted(), succeed)
        async with database.transaction() as work:
            await work.run("update job_attempts set worker_version = '0.0.9'")
        await failed(bench)
        [group] = (await client.get(ERRORS)).json()["items"]
        assert [group["only_since_version"]] == list(group["versions"])
        assert group["only_since_version"] != "0.0.9"

    async def test_a_group_is_requeued_with_care(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """One first, unless told otherwise; only what failed in that way."""
        for _ in range(3):
            await failed(bench)
        response = await client.post(f"{ERRORS}/{FINGERPRINT}:requeue")
        assert response.status_code == 202
        location = response.headers["location"]
        await run_order(bench, location)
        job = (await client.get(location)).json()
        assert (job["state"], job["progress"]["requeued"], job["progress"]["matched"]) == ("retrying", 1, 3)

    async def test_an_unknown_group_is_not_found(self, client: httpx2.AsyncClient) -> None:
        """404."""
        assert (await client.post(f"{ERRORS}/{'0' * 16}:requeue")).status_code == 404


class TestTimeline:
    """`GET /api/v1/jobs/{id}/timeline` and `GET /api/v1/stats/waits`."""

    async def test_a_jobs_spans_add_up(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """Of a job that a worker has run, to the whole of its life."""
        old = await failed(bench)
        links = (await client.get(old)).json()["links"]
        timeline = TimelineView.model_validate_json((await client.get(links["timeline"])).content)
        assert timeline.done
        assert sum(span.ms for span in timeline.spans) == pytest.approx(timeline.total_ms)
        assert sum(total.ms for total in timeline.totals) == pytest.approx(timeline.total_ms)
        job = (await client.get(old)).json()
        assert timeline.ended_at.isoformat() == job["finished_at"].replace("Z", "+00:00")
        assert {span.segment for span in timeline.spans} >= {"claim", "record"}
        assert {span.worker_id for span in timeline.spans if span.segment == "record"} == {"worker-1"}

    async def test_a_living_jobs_time_goes_on(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """It waits for a worker until now."""
        job = await bench.submitted()
        timeline = (await client.get(f"/api/v1/jobs/{job.job_id}/timeline")).json()
        assert not timeline["done"]
        assert [span["segment"] for span in timeline["spans"]] == ["ring"]

    async def test_the_fleets_waits_are_summed_up(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """Over the jobs of the window, of one kind when asked."""
        for _ in range(3):
            await failed(bench)
        waits = WaitsView.model_validate_json((await client.get("/api/v1/stats/waits?window=5m")).content)
        assert (waits.jobs, waits.is_sample) == (3, False)
        assert sum(each.share for each in waits.segments) == pytest.approx(1, abs=1e-4)
        claim = next(each for each in waits.segments if each.segment == "claim")
        assert 0 < claim.p50_ms <= claim.p99_ms <= claim.max_ms
        assert (await client.get("/api/v1/stats/waits?kind=collect")).json()["jobs"] == 0

    @pytest.mark.parametrize("part", ["timeline", "children"])
    async def test_an_unknown_job_is_not_found(self, client: httpx2.AsyncClient, part: str) -> None:
        """404, not an empty answer."""
        assert (await client.get(f"/api/v1/jobs/{uuid4()}/{part}")).status_code == 404


class TestChildren:
    """`GET /api/v1/jobs/{id}/children`."""

    async def test_they_are_paged_and_counted(self, client: httpx2.AsyncClient, bench: Bench) -> None:
        """The counts are of all, whatever the page and the filter."""
        parent = await bench.submitted()
        children = [await bench.submitted(parent_id=parent.job_id) for _ in range(3)]
        await run(bench, children[0], fail)
        path = f"/api/v1/jobs/{parent.job_id}/children"
        first = (await client.get(f"{path}?limit=2")).json()
        second = (await client.get(f"{path}?limit=2&cursor={first['next_cursor']}")).json()
        listed = [job["id"] for job in first["items"] + second["items"]]
        assert listed == [str(child.job_id) for child in reversed(children)]
        assert first["counts"] == second["counts"] == {"failed": 1, "queued": 2}
        only = (await client.get(f"{path}?state=failed")).json()
        assert [job["id"] for job in only["items"]] == [str(children[0].job_id)]
