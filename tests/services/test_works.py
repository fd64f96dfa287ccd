"""The work of the two kinds of job, as the walk calls it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from job_bench import Bench, new_job, ring_of

from shared.domain.channel.notifications import EventMessage, Message
from shared.domain.job.jobs import AttemptOutcome, Failure, JobKind, JobState
from shared.domain.job.leases import ClaimedJob
from shared.domain.target.observation import Fault, Observation
from shared.domain.target.targets import FileTarget
from shared.notifiers.base import Delivery
from shared.services.job.job_submission import Accepted, Submission
from shared.services.job.notify_work import NotifyWork
from shared.services.target.collect_work import CollectWork
from shared.services.target.collection import Collection
from shared.storage.sample.series_store import SeriesDirectory

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOTIFY = '{"channel": {"kind": "webhook", "url": "https://example.org/"}, "message": {"title": "hello"}}'


class Sizes:
    """A collector to which a file is as large as its name says, and one named `broken` is our own error."""

    async def collect(self, target: FileTarget) -> Observation:
        if target.path == "/broken":
            raise RuntimeError("our own trouble")
        size = float(target.path.strip("/"))
        return Observation(1.5, {"EXISTS": True, "SIZE": size}, {"size_bytes": size})

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Ear:
    """A notifier that remembers what it was told."""

    failure: Failure | None = None
    heard: list[tuple[str, UUID]] = field(default_factory=list)

    async def deliver(self, channel: Any, message: Message, *, notification_id: UUID) -> Delivery:
        self.heard.append((message.title, notification_id))
        return Delivery({"status": 204}, self.failure)

    async def close(self) -> None:
        """Nothing is open."""


def claimed(kind: JobKind, spec: str) -> ClaimedJob:
    return ClaimedJob(
        job_id=uuid4(),
        kind=kind,
        queue="tocsin:any",
        spec=spec,
        attempt=1,
        max_attempts=3,
        dispatch_no=1,
        lease_token=uuid4(),
        started_at=NOW,
        queue_wait_ms=0.0,
        due_at=NOW,
        principal_id="tester",
    )


def silent(_: Mapping[str, Any]) -> None:
    """Nobody asks how far the work is."""


@pytest.fixture
def collect(bench: Bench) -> CollectWork:
    collection = Collection({"file": Sizes()}, clock=lambda: NOW, target_slots=4, host_slots=4)
    return CollectWork(collection, SeriesDirectory(bench.database))


def files(*names: str) -> str:
    targets = [f'{{"kind": "file", "path": "/{name}", "conditions": ["[SIZE] < 10"]}}' for name in names]
    return f'{{"targets": [{", ".join(targets)}]}}'


async def test_a_collect_job_counts_its_outcomes(collect: CollectWork) -> None:
    """Whatever was found, the job has done its work; our own error is counted as ours."""
    worked = await collect(claimed(JobKind.COLLECT, files("1", "2", "50", "broken")), silent)
    assert worked.failure is None
    assert worked.result == {"up": 2, "degraded": 0, "down": 1, "error": 1}
    assert [sample.position for sample in worked.samples] == [0, 1, 2, 3]


async def test_a_trial_tells_what_it_found_and_keeps_nothing(bench: Bench, collect: CollectWork) -> None:
    """Its readings are in the result; there is neither a sample nor a series of it."""
    spec = files("50")[:-1] + ', "is_test": true}'
    worked = await collect(claimed(JobKind.COLLECT, spec), silent)
    assert worked.result is not None
    (reading,) = worked.result["readings"]
    assert (reading["outcome"], reading["code"], reading["metrics"]["size_bytes"]) == ("down", "condition_failed", 50.0)
    assert list(worked.samples) == []
    async with bench.database.transaction() as work:
        assert [row.n for row in await work.fetch("select count(*) as n from series")] == [0]


async def test_the_same_target_is_one_series(collect: CollectWork) -> None:
    """A target that stands twice in a job, or in two jobs, is measured in one series."""
    first = await collect(claimed(JobKind.COLLECT, files("1", "2", "1")), silent)
    second = await collect(claimed(JobKind.COLLECT, files("2")), silent)
    one, two, again = (sample.series_id for sample in first.samples)
    assert (one, two) == (again, second.samples[0].series_id)
    assert one != two


@pytest.mark.parametrize("spec", ["{}", '{"targets": [{"kind": "teapot"}]}', '{"targets": 7}'])
async def test_targets_of_another_version_fail_for_good(collect: CollectWork, spec: str) -> None:
    """What this worker cannot read it will not read better the next time."""
    worked = await collect(claimed(JobKind.COLLECT, spec), silent)
    assert worked.failure is not None
    assert (worked.failure.code, worked.failure.is_permanent) == ("unreadable_spec", True)


async def test_samples_are_stored_with_the_jobs_end(bench: Bench, collect: CollectWork) -> None:
    """One transaction carries the job's end, its attempt and its samples."""
    accepted = await bench.submission.submit(Submission(new_job(kind=JobKind.COLLECT, spec=files("1", "1", "50"))))
    assert isinstance(accepted, Accepted)
    execution, _ = bench.worker(collect)
    await execution.run(ring_of(accepted.job))
    async with bench.database.transaction() as work:
        rows = await work.fetch("select position, outcome from job_samples order by position")
        stored = await work.fetch("select count(*) as n from sample")
    assert (await bench.job(accepted.job.job_id)).state is JobState.SUCCEEDED
    assert [(row.position, row.outcome) for row in rows] == [(0, 0), (1, 0), (2, 2)]
    assert stored[0].n == 3


async def test_a_notify_job_tells_under_its_own_id() -> None:
    """The receiver sees the same id in every try."""
    ear = Ear()
    job = claimed(JobKind.NOTIFY, NOTIFY)
    notifiers: Mapping[str, Any] = {"webhook": ear}
    worked = await NotifyWork(notifiers)(job, silent)
    assert (worked.result, worked.detail, worked.failure) == ({"delivered": True}, {"status": 204}, None)
    assert ear.heard == [("hello", job.job_id)]


async def test_an_event_of_ours_reaches_the_notifier() -> None:
    """Beside the message that people read; a message of others is only that."""
    told: list[Message] = []

    class Listener(Ear):
        async def deliver(self, channel: Any, message: Message, *, notification_id: UUID) -> Delivery:
            told.append(message)
            return await super().deliver(channel, message, notification_id=notification_id)

    event = {"type": "job.failed", "timestamp": "2026-11-21T12:00:00Z", "data": {"id": "1"}}
    for spec in (NOTIFY, json.dumps(json.loads(NOTIFY) | {"event": event})):
        await NotifyWork({"webhook": Listener()})(claimed(JobKind.NOTIFY, spec), silent)
    plain, ours = told
    assert not isinstance(plain, EventMessage)
    assert isinstance(ours, EventMessage)
    assert (ours.title, ours.event.model_dump()) == (plain.title, event)


async def test_a_failed_delivery_is_a_failed_attempt() -> None:
    """The notifier's reason is the attempt's, and what it saw is kept."""
    refused = Failure("gone", "410 Gone", is_permanent=True)
    worked = await NotifyWork({"webhook": Ear(refused)})(claimed(JobKind.NOTIFY, NOTIFY), silent)
    assert (worked.result, worked.detail, worked.failure) == (None, {"status": 204}, refused)


async def test_a_channel_of_another_version_fails_for_good() -> None:
    """What this worker cannot read it will not read better the next time."""
    worked = await NotifyWork({})(claimed(JobKind.NOTIFY, '{"channel": {"kind": "pigeon"}}'), silent)
    assert worked.failure is not None
    assert worked.failure.is_permanent


async def test_what_a_target_says_cannot_spoil_its_sample(bench: Bench) -> None:
    """A message with characters that PostgreSQL keeps no text of is stored all the same, without them."""

    class Babbler(Sizes):
        async def collect(self, target: FileTarget) -> Observation:
            return Observation(1.0, fault=Fault("garbage", "it said \x00 and \ud800"))

    collection = Collection({"file": Babbler()}, clock=lambda: NOW, target_slots=4, host_slots=4)
    accepted = await bench.submission.submit(Submission(new_job(kind=JobKind.COLLECT, spec=files("1"))))
    assert isinstance(accepted, Accepted)
    execution, _ = bench.worker(CollectWork(collection, SeriesDirectory(bench.database)))
    assert await execution.run(ring_of(accepted.job)) is AttemptOutcome.SUCCEEDED
    async with bench.database.transaction() as work:
        (row,) = await work.fetch("select code, message from job_samples")
    assert (row.code, row.message) == ("garbage", "it said  and ?")
