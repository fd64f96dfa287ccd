"""No series is named by what a client sends: the number of series of a process has a bound."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from uuid import uuid4

import httpx2
from job_bench import Bench
from prometheus_client import REGISTRY, CollectorRegistry
from redis.asyncio import Redis

from api.access_log import AccessLog
from api.app import make_framework
from api.exchange import UNMATCHED
from api.hot_path import JOB_ROUTE, WAIT_ROUTE
from api.job_entry import JOBS_PATH
from api.metrics import _METHODS
from api.services import ApiServices
from shared.domain.alert.alerts import AlertState, Severity
from shared.domain.channel.channel_health import ChannelState
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.dispatch import RepairReason
from shared.domain.job.jobs import AttemptOutcome, BlockReason, Failure, JobKind, JobState
from shared.domain.job.leases import ClaimedJob
from shared.domain.notice.notices import NoticeState
from shared.storage.database import Database
from worker.tasks.run_job import EXECUTION_KEY, QUEUE_KEY, run_job

SUBMISSIONS = ("accepted", "replayed", "deduplicated", "key_reused", "unique_key_taken", "parent_unknown")
CHANNEL_KINDS = {"alertmanager", "apprise", "email", "pagerduty", "slack", "webhook"}
CLOSED = {
    "kind": {*JobKind, *CHANNEL_KINDS},
    "queue": set(JobKind),
    "state": {*JobState, *BlockReason, *AlertState, *ChannelState, *NoticeState},
    "severity": {*Severity, "other"},
    "outcome": {*AttemptOutcome, *SUBMISSIONS},
    "method": {*_METHODS, "other"},
    "reason": {*RepairReason, *BlockReason},
}


async def fail_half(claimed: ClaimedJob, report: ReportProgress) -> Worked:
    is_even = claimed.job_id.int % 2 == 0
    return Worked() if is_even else Worked(failure=Failure("rejected", str(claimed.job_id), is_permanent=True))


def labels_of(registry: CollectorRegistry) -> set[tuple[str, str]]:
    """The names and values of all labels of our own series."""
    families = [family for family in registry.collect() if family.name.startswith("tocsin_")]
    return {pair for family in families for sample in family.samples for pair in sample.labels.items()}


async def test_labels_have_values_from_closed_sets(
    client: httpx2.AsyncClient, services: ApiServices, access_log: AccessLog, database: Database, redis: Redis
) -> None:
    """After requests and jobs of many ids, paths, methods and ends there is no series that one of them named."""
    bench = Bench(database, redis)
    execution, _ = bench.worker(fail_half)
    for _ in range(20):
        job = await bench.submitted()
        await client.get(f"/api/v1/jobs/{job.job_id}")
        await client.get(f"/nowhere/{uuid4()}")
        await client.request(f"X{uuid4().hex[:8]}", "/api/v1/jobs", headers={"X-Request-Id": str(uuid4())})
        for dispatch_no in (1, 9):
            await run_job({EXECUTION_KEY: execution, QUEUE_KEY: job.queue}, str(job.job_id), dispatch_no)
        await client.get(f"/api/v1/jobs?label=x:{uuid4()}")
    await client.get("/metrics")
    await execution.drain()
    labels = labels_of(REGISTRY) | labels_of(services.metrics.registry)
    assert {"kind", "queue", "outcome", "method", "route", "status"} <= {name for name, _ in labels}
    routes = {getattr(route, "path_format", "") for route in make_framework(services, access_log).router.routes}
    closed = CLOSED | {"route": routes | {UNMATCHED, JOB_ROUTE, WAIT_ROUTE, f"{JOBS_PATH} (wait)"}}
    assert [pair for pair in sorted(labels) if not is_closed(*pair, closed)] == []


def is_closed(name: str, value: str, closed: Mapping[str, AbstractSet[str]]) -> bool:
    """Whether the value is one of few; a label nobody has thought of is not."""
    match name:
        case "le":
            return True
        case "status":
            return HTTPStatus(int(value)) is not None
        case "duty":
            # Tests of the duties' clock, in this process before us, keep duties of their own.
            return value.startswith("test_") or re.fullmatch(r"[a-z_]+", value) is not None
        case _:
            return value in closed.get(name, ())
