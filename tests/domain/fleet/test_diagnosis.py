"""What the doctor makes of facts: the level, and that whatever is not well comes with what to do."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.domain.fleet.diagnosis import Finding, Level, judge_disk, worst_of
from shared.domain.fleet.job_diagnosis import JobFacts, judge_fleet, judge_jobs
from shared.domain.fleet.server_diagnosis import (
    DatabaseFacts,
    judge_connections,
    judge_database,
    judge_redis,
    judge_vacuum,
)
from shared.domain.fleet.workers import Worker, WorkerState

SOUND_DATABASE = DatabaseFacts(
    version_num=180000,
    version="PostgreSQL 18.0",
    revision="0004",
    skew_seconds=0.01,
    max_connections=100,
    connections=10,
    has_autovacuum=True,
    dead_rows=0,
    live_rows=0,
)
SOUND_REDIS = {
    "redis_version": "7.2.4",
    "role": "master",
    "used_memory": 1000,
    "maxmemory": 0,
    "maxmemory_policy": "noeviction",
    "aof_enabled": 1,
}
SOUND_JOBS = JobFacts(0.0, 0.0, 0, {}, [])
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALIVE = Worker(
    worker_id="host:1:abc",
    host="host",
    pid=1,
    version="1.0",
    queues=["tocsin:notify"],
    slots=10,
    busy=3,
    loop_lag_ms=0.0,
    rss_bytes=0.0,
    lease_seconds=30.0,
    started_at=NOW,
    beat_at=NOW,
    state=WorkerState.RUNNING,
    ordered=None,
    beat_age_seconds=1.0,
)
SILENT = replace(ALIVE, worker_id="host:2:abc", beat_age_seconds=31.0)


def database(**changes: object) -> list[Finding]:
    facts = replace(SOUND_DATABASE, **changes)  # type: ignore[arg-type]
    judged = judge_database(facts, needed_revision="0004")
    return [*judged, judge_connections(facts, workers=4, pool_size=8), judge_vacuum(facts)]


def redis(**changes: object) -> list[Finding]:
    return list(judge_redis(SOUND_REDIS | changes))


def jobs(**changes: object) -> list[Finding]:
    return list(judge_jobs(replace(SOUND_JOBS, **changes)))  # type: ignore[arg-type]


def fleet(*workers: Worker) -> list[Finding]:
    return list(judge_fleet(workers, own_version="1.0"))


def disk(free: int) -> list[Finding]:
    return [judge_disk("/data", free_bytes=free, total_bytes=100 * 2**30)]


@pytest.mark.parametrize("findings", [database(), redis(), jobs(), fleet(ALIVE), disk(50 * 2**30)])
def test_what_is_sound_is_ok(findings: list[Finding]) -> None:
    """Each part has something to say even then, and nothing to do."""
    assert findings
    assert {(finding.level, finding.advice) for finding in findings} == {(Level.OK, "")}


@pytest.mark.parametrize(
    ("findings", "name", "level"),
    [
        (database(version_num=140012), "postgresql", Level.WARN),
        (database(revision="0003"), "schema", Level.FAIL),
        (database(revision=None), "schema", Level.FAIL),
        (database(skew_seconds=-3.0), "clock", Level.WARN),
        (database(skew_seconds=61.0), "clock", Level.FAIL),
        (database(max_connections=43), "connections", Level.WARN),
        (database(connections=96), "connections", Level.FAIL),
        (database(has_autovacuum=False), "autovacuum", Level.FAIL),
        (database(dead_rows=200_000), "autovacuum", Level.WARN),
        (list(judge_redis(None)), "redis", Level.WARN),
        (redis(redis_version="6.0.9"), "redis", Level.FAIL),
        (redis(role="slave"), "redis", Level.FAIL),
        (redis(maxmemory_policy="allkeys-lru"), "memory", Level.WARN),
        (redis(maxmemory=1001), "memory", Level.FAIL),
        (jobs(oldest_unrung_seconds=11.0), "rings", Level.WARN),
        (jobs(oldest_unrung_seconds=61.0), "rings", Level.FAIL),
        (jobs(oldest_overdue_lease_seconds=31.0, expired_leases=1), "leases", Level.FAIL),
        (jobs(paused_queues=["tocsin:notify"], blocked={"paused": 3}), "held back", Level.WARN),
        (fleet(), "workers", Level.FAIL),
        (fleet(SILENT), "workers", Level.FAIL),
        (fleet(ALIVE, SILENT), "silent", Level.WARN),
        (fleet(ALIVE, replace(ALIVE, version="0.9")), "workers", Level.WARN),
        (disk(5 * 2**30), "disk", Level.WARN),
        (disk(2**20), "disk", Level.FAIL),
    ],
)
def test_what_is_not_well_says_what_to_do(findings: list[Finding], name: str, level: Level) -> None:
    """The worst finding is the one that was provoked."""
    worst = [finding for finding in findings if finding.level is worst_of(findings)]
    assert [(finding.name, finding.level) for finding in worst] == [(name, level)]
    assert worst[0].advice


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        ({"valkey_version": "9.1.2", "redis_version": "7.2.4"}, "Valkey 9.1.2"),
        ({"redis_version": "8.0.1"}, "Redis 8.0.1"),
    ],
)
def test_the_server_is_named_as_what_it_is(version: dict[str, str], shown: str) -> None:
    """Valkey speaks of itself as a Redis 7.2, too."""
    assert redis(**version)[0] == Finding("redis", Level.OK, shown)


def test_the_worst_of_nothing_is_ok() -> None:
    """No finding is no failure."""
    assert worst_of([]) is Level.OK
