"""A job's end and the notification of it are one transaction: neither is there without the other."""

import json

import pytest
from http_servers import always, answer, serve
from job_bench import Bench, ring_of
from standardwebhooks import Webhook

from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import Failure, Job, JobKind, JobState, Ring
from shared.domain.job.leases import ClaimedJob
from shared.notifiers.webhook import WebhookNotifier
from shared.services.job.notify_work import NotifyWork
from shared.storage.errors import StorageUnavailableError
from shared.storage.job.completion_store import CompletionStore
from shared.storage.job.lease_store import LeaseStore
from shared.transport.curl import CurlClient

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def webhook(url: str) -> str:
    return json.dumps({"url": url, "secret": SECRET})


COMPLETION = webhook("https://hooks.example/jobs")


async def succeed(_: ClaimedJob, __: ReportProgress) -> Worked:
    return Worked(result={"up": 1})


async def children(bench: Bench, job: Job) -> list[Job]:
    async with bench.database.transaction() as work:
        rows = await work.fetch("select job_id from jobs where parent_id = $1", job.job_id)
    return [await bench.job(row.job_id) for row in rows]


async def test_an_end_is_told_by_a_child_of_the_job(bench: Bench) -> None:
    """The notification stands and is rung, carries the job's labels, and nothing is told of it in turn."""
    job = await bench.submitted(completion=COMPLETION, labels={"team": "web"}, priority=9)
    execution, _ = bench.worker(succeed)
    await execution.run(ring_of(job))
    (child,) = await children(bench, job)
    assert (child.kind, child.state, child.labels, child.priority) == (JobKind.NOTIFY, JobState.QUEUED, job.labels, 9)
    assert f"{child.job_id}:1" in await bench.rung()
    await execution.run(ring_of(child))
    assert (await bench.job(child.job_id)).state is JobState.SUCCEEDED
    assert await children(bench, child) == []


async def test_the_receiver_verifies_what_it_is_told(bench: Bench, client: CurlClient) -> None:
    """Standard Webhooks' own library accepts it; the body says which job ended how, and where more is told."""
    execution, _ = bench.worker(succeed)
    notifier, _ = bench.worker(NotifyWork({"webhook": WebhookNotifier(client)}))
    async with serve(always(answer())) as server:
        job = await bench.submitted(completion=webhook(server.url("/jobs")), labels={"team": "web"})
        await execution.run(ring_of(job))
        (child,) = await children(bench, job)
        await notifier.run(ring_of(child))
    (seen,) = server.seen
    told = Webhook(SECRET).verify(seen.body, seen.headers)
    ended = await bench.job(job.job_id)
    assert seen.headers["webhook-id"] == str(child.job_id)
    assert told["type"] == "job.succeeded"
    assert told["timestamp"] == ended.finished_at.isoformat().replace("+00:00", "Z")
    assert told["data"].pop("links")["self"] == f"/api/v1/jobs/{job.job_id}"
    assert told["data"] == {
        "id": str(job.job_id),
        "kind": "notify",
        "state": "succeeded",
        "attempt": 1,
        "result": {"up": 1},
        "error": None,
        "labels": {"team": "web"},
    }


async def test_a_failure_is_told_with_its_reason_once_it_is_final(bench: Bench) -> None:
    """An attempt that is tried again is no end."""

    async def fail(claimed: ClaimedJob, _: ReportProgress) -> Worked:
        return Worked(failure=Failure("broken", "it broke", is_permanent=claimed.attempt == 2))

    job = await bench.submitted(completion=COMPLETION)
    execution, _ = bench.worker(fail)
    await execution.run(ring_of(job))
    assert await children(bench, job) == []
    await bench.make_due()
    await bench.recovery.promote()
    await execution.run(ring_of(job, 2))
    (child,) = await children(bench, job)
    assert child.spec["event"]["type"] == "job.failed"
    assert child.spec["event"]["data"]["error"] == {"code": "broken", "message": "it broke"}


async def test_an_end_that_is_rolled_back_is_not_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recording fails after the end was written: job and notification are both as before, and then both there."""
    job = await bench.submitted(completion=COMPLETION)
    execution, _ = bench.worker(succeed)
    add_for = CompletionStore.add_for
    failures = iter([True])

    async def fail_once(self: CompletionStore, job_ids: list[object]) -> list[Ring]:
        rings = await add_for(self, job_ids)
        if next(failures, False):
            assert len(rings) == 1
            raise StorageUnavailableError("after everything was written")
        return rings

    seen: list[tuple[JobState, int]] = []
    end_if_leased = LeaseStore.end_if_leased

    async def look_first(self: LeaseStore, ends: list[object]) -> object:
        seen.append(((await bench.job(job.job_id)).state, len(await children(bench, job))))
        return await end_if_leased(self, ends)

    monkeypatch.setattr(CompletionStore, "add_for", fail_once)
    monkeypatch.setattr(LeaseStore, "end_if_leased", look_first)
    monkeypatch.setattr("shared.services.job.job_execution.RETRY_SECONDS", 0)
    await execution.run(ring_of(job))
    assert seen == [(JobState.RUNNING, 0)] * 2
    assert len(await children(bench, job)) == 1


async def test_a_lost_lease_tells_nothing_and_a_rescue_tells_once(bench: Bench) -> None:
    """The late worker's end is fenced; the end that counts is told, and only that."""
    job = await bench.submitted(completion=COMPLETION, max_attempts=1)

    async def lose_the_lease(_: ClaimedJob, __: ReportProgress) -> Worked:
        await bench.expire_leases()
        await bench.recovery.rescue()
        return Worked(result={"up": 1})

    execution, _ = bench.worker(lose_the_lease)
    await execution.run(ring_of(job))
    (child,) = await children(bench, job)
    assert child.spec["event"]["type"] == "job.failed"
    assert f"{child.job_id}:1" in await bench.rung()


async def test_what_had_ended_before_is_not_told_again(bench: Bench) -> None:
    """Asking for the notification of an earlier end adds none."""
    job = await bench.submitted(completion=COMPLETION)
    execution, _ = bench.worker(succeed)
    await execution.run(ring_of(job))
    async with bench.database.transaction() as work:
        assert await CompletionStore(work).add_for([job.job_id]) == []
    assert len(await children(bench, job)) == 1
